"""Lighthouse's four scores of the index and of a market page, as a bucket would serve them, on a phone and a desktop.

`python -m bench.lighthouse [--runs 5]`: needs Node.js 20 and Debian's chromium; installs the locked Lighthouse of
this folder with `npm ci` when it is not there. A hundred made markets, pages compressed, served on loopback; medians,
and the lowest performance of all runs.
"""

from __future__ import annotations

import argparse
import gzip
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from tests.support import site
from tests.support.browser import Quiet, serve

HERE = Path(__file__).resolve().parent
CHROME = "--headless --no-sandbox --disable-gpu --disable-background-networking"
PAGES = ("index.html", "m/coinbase-btc-usd.html")
CATEGORIES = ("performance", "accessibility", "best-practices", "seo")
MEASURES = {
    "LCP s": "largest-contentful-paint", "TBT ms": "total-blocking-time", "CLS": "cumulative-layout-shift",
    "bytes": "total-byte-weight",
}  # fmt: skip


class AsABucket(Quiet):
    """Sends HTML compressed and cacheable, as the site's bucket has it."""

    def do_GET(self) -> None:  # noqa: N802 - as the base class names it
        """Answer with a file, compressed."""
        path = Path(self.translate_path(self.path))
        if not path.is_file():
            self.send_error(404)
            return
        data = gzip.compress(path.read_bytes(), 6)
        self.send_response(200)
        kind = "text/html; charset=utf-8" if path.suffix == ".html" else self.guess_type(str(path))
        headers = {"Content-Type": kind, "Content-Encoding": "gzip", "Cache-Control": "max-age=20"}
        for name, value in (headers | {"Content-Length": str(len(data))}).items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(data)


def judge(address: str, form: str) -> dict[str, Any]:
    """Let Lighthouse judge an address once; give its report."""
    chromium = shutil.which("chromium") or sys.exit("this bench needs Debian's package chromium")
    command = [str(HERE / "node_modules/.bin/lighthouse"), address, "--output=json", "--quiet",
               f"--chrome-flags={CHROME}", *(["--preset=desktop"] if form == "desktop" else [])]  # fmt: skip
    made = subprocess.run(command, capture_output=True, check=True, env={**os.environ, "CHROME_PATH": chromium})
    report: dict[str, Any] = json.loads(made.stdout)
    return report


def main(arguments: list[str]) -> int:
    """Print a table; 1 when a score is below 95."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=5)
    runs = parser.parse_args(arguments).runs
    if not (HERE / "node_modules").is_dir():
        subprocess.run(["npm", "ci", "--silent", "--ignore-scripts"], cwd=HERE, check=True)
    lowest = 100
    with tempfile.TemporaryDirectory(prefix="lighthouse-") as folder:
        files = site.eventful_day(100).render()
        files["robots.txt"] = b"User-agent: *\nAllow: /\n"
        with serve(site.write(files, Path(folder)), AsABucket) as address:
            print(f"{'page':<26}{'form':<9}", *(f"{one:>14}" for one in (*CATEGORIES, "worst perf.", *MEASURES)))
            for path in PAGES:
                for form in ("mobile", "desktop"):
                    reports = [judge(address + path, form) for _ in range(runs)]
                    scores = [
                        round(100 * statistics.median(one["categories"][name]["score"] for one in reports))
                        for name in CATEGORIES
                    ]
                    worst = round(100 * min(one["categories"]["performance"]["score"] for one in reports))
                    numbers = [
                        statistics.median(one["audits"][key]["numericValue"] for one in reports)
                        / (1000 if name.endswith(" s") else 1)
                        for name, key in MEASURES.items()
                    ]
                    lowest = min(lowest, *scores)
                    print(f"{path:<26}{form:<9}", *(f"{one:>14}" for one in (*scores, worst)),
                          *(f"{one:>14.2f}" for one in numbers), flush=True)  # fmt: skip
                    for audit in reports[0]["audits"].values():
                        if audit["score"] is not None and audit["score"] < 0.9:
                            print(f"    {audit['id']}: {audit['title']}")
    return 1 if lowest < 95 else 0
