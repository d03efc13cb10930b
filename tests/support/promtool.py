"""Ask Prometheus' promtool for a second opinion on the life of alerts.

Differences of definition, and how they are mapped:
- v2 range selectors are closed at both ends: `[59m] offset 1m` at t is [t-60m, t-1m], our [t-60min, t).
- an instant selector looks back 5 minutes; a `stale` marker at the first missing minute makes a gap a gap.
- `keep_firing_for` counts minutes from the first one below: 4m ends at the fifth, as our resolve_after = 5.
  It counts minutes without a sample too, and ours do not: lives are compared on series without gaps.
- Prometheus compares floats, we compare decimals: an exact tie of the two is ours alone to get right.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterable, Sequence
from pathlib import Path

ABOVE = "m > {factor} * avg_over_time(m[59m] offset 1m) and count_over_time(m[59m] offset 1m) >= {least}"


def agrees(
    promtool: str,
    folder: Path,
    series: Sequence[Sequence[float | None]],
    alerts: Iterable[tuple[str, int, list[int]]],
    *,
    factor: str = "3",
    least: int = 30,
) -> str | None:
    """Check expected alerts against promtool; None if it agrees, else what it says.

    `alerts` are (alert name, minute, the numbers of the series for which it fires then), for every minute: the alert
    `above` without memory, and `open` which stays for 4 minutes after the first one below. Series start at minute 1.
    """
    above = ABOVE.format(factor=factor, least=least)
    rules = [{"alert": "above", "expr": above}, {"alert": "open", "expr": above, "keep_firing_for": "4m"}]
    inputs = [
        {"series": f'm{{case="{number}"}}', "values": " ".join(["_", *_points(values)])}
        for number, values in enumerate(series)
    ]
    tests = [
        {
            "alertname": name,
            "eval_time": f"{minute}m",
            "exp_alerts": [{"exp_labels": {"case": str(number)}} for number in firing],
        }
        for name, minute, firing in alerts
    ]
    # JSON is YAML
    (folder / "rules.yml").write_text(json.dumps({"groups": [{"name": "g", "interval": "1m", "rules": rules}]}))
    unit = {"rule_files": ["rules.yml"], "evaluation_interval": "1m", "tests": []}
    unit["tests"] = [{"interval": "1m", "input_series": inputs, "alert_rule_test": tests}]
    (folder / "test.yml").write_text(json.dumps(unit))
    done = subprocess.run(
        [promtool, "test", "rules", "test.yml"], cwd=folder, capture_output=True, text=True, check=False
    )
    return None if done.returncode == 0 else (done.stdout + done.stderr)[:4000]


def _points(values: Sequence[float | None]) -> Iterable[str]:
    before: float | None = None
    for value in values:
        yield repr(value) if value is not None else "stale" if before is not None else "_"
        before = value
