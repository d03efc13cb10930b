"""Ask Prometheus' promtool for a second opinion on the life of alerts.

Differences of definition, and how they are mapped:
- v2 range selectors are closed at both ends: `[59m] offset 1m` at t is [t-60m, t-1m], our [t-60min, t).
- an instant selector looks back 5 minutes; a `stale` marker at the first missing minute makes a gap a gap.
- "the value 10 minutes ago" may be 5 minutes older where that minute is missing: `last_over_time(m[5m] offset 10m)`.
- no data for 3 minutes: something in the day before, and nothing in [t-2m, t].
- `for` counts from the first minute above, as ours; a gap resets it there and not here: compared without gaps.
- `keep_firing_for` counts minutes from the first one below: 4m ends at the fifth, as our resolve_after = 5.
  It counts minutes without a sample too, and ours do not: lives are compared on series without gaps.
- Prometheus compares floats, we compare decimals: an exact tie of the two is ours alone to get right.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterable, Sequence
from pathlib import Path

from tracker.alerts import AlertRule, Kind


def expression(rule: AlertRule) -> str:
    """Write a rule in PromQL, over the metric `m` with a label `case` for each series and `feed` for each exchange."""
    op, limit, window = rule.comparison.value, rule.limit, rule.window
    if rule.kind is Kind.RATIO_TO_MEAN:
        hour = f"m[{window - 1}m] offset 1m"
        return f"m {op} {limit} * avg_over_time({hour}) and count_over_time({hour}) >= {rule.min_samples}"
    if rule.kind is Kind.CHANGE_PERCENT:
        return f"m {op} {1 + float(limit) / 100} * last_over_time(m[5m] offset {window}m)"
    if rule.kind is Kind.THRESHOLD:
        return f"m {op} {limit}"
    before, lately = "last_over_time(m[20h])", f"count_over_time(m[{window - 1}m])"
    if rule.kind is Kind.NO_DATA:
        return f"{before} unless {lately}"
    return f"count by (feed) ({before}) unless count by (feed) ({lately})"


def agrees(
    promtool: str,
    folder: Path,
    series: Sequence[Sequence[float | None]],
    rule: AlertRule,
    open_at: Iterable[tuple[int, list[str]]],
    *,
    feed: int = 3,
) -> str | None:
    """Check when an alert is open against promtool; None if it agrees, else what it says.

    `open_at` gives, for every minute, the cases (numbers of series, or of feeds of `feed` series each) that are open.
    Series start at minute 1.
    """
    alert = {"alert": "open", "expr": expression(rule)}
    if rule.lasting:
        alert["for"] = f"{rule.lasting}m"
    if rule.resolve_after > 1:
        alert["keep_firing_for"] = f"{rule.resolve_after - 1}m"
    inputs = [
        {"series": f'm{{case="{n}", feed="{n // feed}"}}', "values": " ".join(["_", *_points(values)])}
        for n, values in enumerate(series)
    ]
    by_feed = rule.kind is Kind.FEED_DOWN
    tests = [
        {
            "alertname": "open",
            "eval_time": f"{minute}m",
            "exp_alerts": [
                {"exp_labels": {"feed": one} if by_feed else {"case": one, "feed": str(int(one) // feed)}}
                for one in cases
            ],
        }
        for minute, cases in open_at
    ]
    # JSON is YAML
    (folder / "rules.yml").write_text(json.dumps({"groups": [{"name": "g", "interval": "1m", "rules": [alert]}]}))
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
