"""The files of thousands of markets, by as many processes as there are cores: `python -m tracker.site.shares` is one.

A share is the content without the samples of others' markets: pickled, then its window as an Arrow stream. The other
processes are started anew, not forked: this one may hold threads of Arrow, DuckDB and the object store.
"""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
from collections.abc import Collection
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import IO

import pyarrow as pa

from tracker.model import Market
from tracker.site.content import Content
from tracker.site.markets import by_rank
from tracker.site.markets import market_files as files_here
from tracker.site.samples import by_series

SHARE = 500
"""Markets; fewer are not worth the half second that starting a process takes."""


def market_files(content: Content, due: Collection[Market] | None) -> dict[str, bytes]:
    """Give the page and the files of each market of `due` (None: of all); the bytes do not depend on the sharing."""
    wanted = sorted(by_rank(content) if due is None else due)
    shares = max(1, min(os.cpu_count() or 1, len(wanted) // SHARE))
    size = -(-len(wanted) // shares)
    own, *others = [frozenset(wanted[n * size : (n + 1) * size]) for n in range(shares)]
    with ThreadPoolExecutor(max(1, len(others))) as pool:
        running = [pool.submit(_elsewhere, content, share) for share in others]
        files = files_here(content, own)
        for one in running:
            files |= one.result()
    return files


def _elsewhere(content: Content, share: Collection[Market]) -> dict[str, bytes]:
    """Let another process make a share."""
    names = {str(one) for one in share}
    rows = [samples for (market, _), samples in content.samples.items() if market in names]
    window = pa.concat_tables([content.window.slice(one.start, len(one)) for one in rows])
    command = [sys.executable, "-m", __name__]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:  # noqa: S603 - ourselves
        assert process.stdin is not None
        assert process.stdout is not None
        pickle.dump((replace(content, window=window.slice(0, 0), samples={}), share), process.stdin)
        with pa.ipc.new_stream(process.stdin, window.schema) as stream:
            stream.write_table(window)
        process.stdin.close()
        made: dict[str, bytes] = pickle.load(process.stdout)  # noqa: S301 - our own process wrote it
    if process.returncode:
        raise RuntimeError(f"a process that made market pages ended with {process.returncode}")
    return made


def serve(incoming: IO[bytes], outgoing: IO[bytes]) -> None:
    """Read a share, make its files, write them."""
    content, share = pickle.load(incoming)  # noqa: S301 - our own process wrote it
    window = pa.ipc.open_stream(incoming).read_all()
    pickle.dump(files_here(replace(content, window=window, samples=by_series(window, content.minute)), share), outgoing)


if __name__ == "__main__":
    serve(sys.stdin.buffer, sys.stdout.buffer)
