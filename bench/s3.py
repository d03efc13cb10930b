"""A SeaweedFS on loopback for the length of a bench."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from tests.support.store import start


@contextmanager
def seaweedfs(folder: Path) -> Iterator[str]:
    """Give the URL of an empty place on a server started for it; the AWS_* variables are set."""
    with closing(start(folder)) as servers:  # type: ignore[type-var]
        os.environ.update(next(servers).environment)
        yield "s3://store/bench"
