"""A SeaweedFS on loopback for the length of a bench."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from unittest.mock import patch

from tests.support.store import start


@contextmanager
def seaweedfs(folder: Path) -> Iterator[str]:
    """Give the URL of an empty place on a server started for it; the AWS_* variables are its own as long as it runs."""
    servers = start(folder)
    with closing(servers), patch.dict(os.environ, next(servers).environment):  # type: ignore[type-var]
        yield "s3://store/bench"
