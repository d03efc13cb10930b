"""The definitions, from the constants of the code and the statement that computes them."""

from __future__ import annotations

from fractions import Fraction

from tracker import stats
from tracker.alerts import AlertRule, Kind, minutes_above
from tracker.alerts.values import LOST_MINUTES, SILENT_MINUTES
from tracker.model import DAY, HOUR, POLL_WITHIN
from tracker.site.charts import SPARK_EVERY
from tracker.site.content import METRICS, Content
from tracker.site.explaining import explain
from tracker.site.formats import count
from tracker.site.pages import LATE_AFTER, STALE_AFTER, MethodologyPage
from tracker.site.samples import DAY_MINUTES, HOUR_MINUTES

_DAY = DAY // HOUR
_SPARKS = " or ".join(f"{every} minutes ({metric.label})" for metric, every in SPARK_EVERY.items())


DEFINITIONS = {
    "last": f"the last sample in (t − {_DAY} h, t]",
    f"{_DAY} h %": f"last ÷ the oldest sample in (t − {_DAY} h, t − {_DAY - 1} h] − 1; none where that hour is empty",
    "1 h mean": f"mean of the samples in [t − {HOUR_MINUTES} min, t): the hour before the value it is compared with",
    "last ÷ mean": "the sample at t ÷ 1 h mean, cut to three decimals, so 2.9999 never reads as 3; none without a "
    "sample at t",
    f"σ {_DAY} h": f"population standard deviation of the samples in (t − {_DAY} h, t], {count(DAY_MINUTES)} at most; "
    "none for fewer than 2; exactly 0 for a constant",
    "σ ÷ mean": f"σ {_DAY} h ÷ the mean of the same samples, the coefficient of variation: it has no unit, so it "
    "compares between markets",
    "rank": f"1 is the largest σ {_DAY} h among the series of the metric; equal ones share a rank: 1, 2, 2, 4. Raw σ "
    "follows the unit price, so a market priced at 65,000 stands above one at 0.01 that moves more; σ ÷ mean puts "
    "them side by side. ▲ and ▼ say how many places a market moved within an hour",
    f"{_DAY} h range": "highest ÷ lowest sample − 1; the mark shows where between them the last one lies",
    f"{_DAY} h trend": f"the last sample of every {_SPARKS} before t, each drawn to its own scale",
    "n": f"how many samples the {_DAY} h hold, of {count(DAY_MINUTES)}",
}
"""What the columns mean, with the numbers the code works with."""


def methodology_page(content: Content) -> MethodologyPage:
    """Give the definitions, with the numbers the code works with."""
    period = content.about.repaint_seconds
    means = [rule for rule in content.rules if rule.kind is Kind.RATIO_TO_MEAN and rule.comparison.upward]
    return MethodologyPage(
        frame=content.frame("methodology.html", "Methodology", "What every number of tracker means."),
        rules=tuple((rule, tuple(explain(rule)[1:])) for rule in content.rules),
        steps=tuple((rule, _steps(rule)) for rule in means[:1]),
        metrics=METRICS,
        definitions=tuple(DEFINITIONS.items()),
        sql=stats.SQL.strip(),
        poll_within=int(POLL_WITHIN.total_seconds()),
        silent_minutes=SILENT_MINUTES,
        lost_minutes=LOST_MINUTES,
        late=period + int(LATE_AFTER.total_seconds()),
        stale=period + int(STALE_AFTER.total_seconds()),
    )


def _steps(rule: AlertRule) -> tuple[tuple[str, int], ...]:
    factor = Fraction(rule.limit)
    levels = [factor * Fraction(times) for times in ("1", "1.05", "4/3", "5/3", "2", "10/3", "10")]
    return tuple((f"{float(level):g}", minutes_above(rule.limit, level, rule.window)) for level in levels)
