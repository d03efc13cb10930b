"""Run each command many times and count how it ends: none may abort when the interpreter goes down.

`python -m bench.exits [--runs 200] [--only NAME …]`: a simulated exchange, a folder for a store, real processes, two at
a time. The programs that keep running are ended by SIGTERM once they answer.
"""

from __future__ import annotations

import argparse
import collections
import os
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tests.support.ports import free_ports

AT_ONCE = 2
METRICS = '{"markets": {"coinbase": ["BTC-USD", "ETH-USD"], "kraken": ["*-EUR"]}, "metrics": ["price", "volume_24h"]}'

COMMANDS: dict[str, list[str]] = {
    "help": ["--help"],
    "tick": ["tick"],
    "fetch": ["fetch"],
    "analyze": ["analyze"],
    "publish": ["publish"],
    "deliver": ["deliver"],
    "seal": ["seal"],
    "expire": ["expire"],
    "backfill": ["backfill", "--exchange", "coinbase"],
    "replay": ["replay", "--json"],
    "read csv": ["read", "--format", "csv"],
    "read parquet": ["read", "--format", "parquet"],
    "read json": ["read", "--format", "json"],
    "read table": ["read"],
    "rules": ["rules", "check"],
    "doctor": ["doctor"],
    "simulate": ["simulate", "--port", "{port}"],
    "mailbox": ["mailbox", "--http-port", "{port}", "--smtp-port", "{other}", "--folder", "{folder}/mail"],
}
"""What is run; each does all of its work."""

SERVERS = {"simulate", "mailbox"}


def run(name: str, environment: dict[str, str], folder: str) -> tuple[int, str]:
    """Run a command; give its exit code and the last lines it wrote."""
    port, other = free_ports(2)
    arguments = [one.format(port=port, other=other, folder=folder) for one in COMMANDS[name]]
    process = subprocess.Popen(
        [sys.executable, "-u", "-m", "tracker", *arguments],
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env=environment,
    )  # fmt: skip
    assert process.stdout is not None
    if name in SERVERS:
        while not answers(port):
            time.sleep(0.1)
        process.terminate()
    said, _ = process.communicate()
    return process.returncode, said.decode(errors="replace").strip()[-300:]


def answers(port: int) -> bool:
    """Say whether somebody speaks HTTP on a port; whatever is said will do."""
    try:
        urllib.request.urlopen(f"http://127.0.0.1:{port}/").close()
    except urllib.error.HTTPError:
        return True
    except OSError:
        return False
    return True


def main(arguments: list[str]) -> int:
    """Print exit codes by command; 1 if any is neither 0 nor 1."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=200)
    parser.add_argument("--only", nargs="+", choices=list(COMMANDS), default=list(COMMANDS))
    options = parser.parse_args(arguments)
    [port] = free_ports(1)
    with tempfile.TemporaryDirectory(prefix="exits-") as folder:
        (Path(folder) / "metrics.json").write_text(METRICS)
        url = f"http://127.0.0.1:{port}"
        own = {
            "TRACKER_STORE_URL": f"{folder}/store",
            "TRACKER_SITE_URL": f"{folder}/site",
            "TRACKER_METRICS": f"{folder}/metrics.json",
            "TRACKER_PACE": "off",
            "TRACKER_COINBASE_URL": url,
            "TRACKER_COINBASE_ADVANCED_URL": url,
            "TRACKER_KRAKEN_URL": url,
            "TRACKER_BINANCE_URL": url,
        }
        environment = {name: value for name, value in os.environ.items() if not name.startswith("TRACKER_")} | own
        simulator = subprocess.Popen(
            [sys.executable, "-m", "tracker", "simulate", "--port", str(port), "--no-rate-limit"],
            stdout=subprocess.PIPE, env=environment,
        )  # fmt: skip
        abnormal = 0
        try:
            assert simulator.stdout is not None
            simulator.stdout.readline()  # it listens now
            print(f"{'command':<16}{'runs':>6}  exit codes")
            with ThreadPoolExecutor(AT_ONCE) as pool:
                for name in options.only:
                    ends = list(pool.map(lambda _, n=name: run(n, environment, folder), range(options.runs)))
                    codes = collections.Counter(code for code, _ in ends)
                    abnormal += sum(count for code, count in codes.items() if code not in {0, 1})
                    said = collections.Counter(text.split("\n")[-1] for code, text in ends if code)
                    print(f"{name:<16}{len(ends):>6}  {dict(codes)}  {dict(said.most_common(2)) or ''}", flush=True)
        finally:
            simulator.terminate()
            simulator.wait()
    print(f"{abnormal} abnormal")
    return 1 if abnormal else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
