"""All tables of speed and memory that need a few minutes; the longer ones are named at the end.

`python -m bench [NAME …]`, or `make bench`.
"""

from __future__ import annotations

import importlib
import sys

QUICK = ("window", "writes", "size", "growth", "accuracy")
LONG = (
    "reading", "year", "derive", "kills", "races", "exits", "backfill_speed", "backfill_kills", "backfill_airflow",
    "freshness", "footprint", "scale", "chaos", "whole_exchanges", "live_replay", "promtool_oracle", "alerts_at_scale",
    "delivery_under_fire", "publish", "publish_races", "lighthouse",
)  # fmt: skip


def main(names: list[str]) -> int:
    """Run the benches; 1 if one found something wrong."""
    code = 0
    for name in names or QUICK:
        bench = importlib.import_module(f"bench.{name}")
        print(f"\n== {name}: {bench.__doc__.splitlines()[0]}", flush=True)
        code |= bench.main([])
    if not names:
        print("\nmore, each by itself (python -m bench.NAME --help):", ", ".join(LONG))
    return code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
