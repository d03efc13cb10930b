"""The SQL that gives the numbers of a page again: plain DuckDB in the root of the store, nothing of ours.

A page first makes the view `samples`, the window it is about, from sealed hours, candles and minutes, whatever of
them is there, a poll before a candle. Then come its own questions.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from tracker.model import DAY, Market, Metric, iso

Statements = tuple[tuple[str, str], ...]
"""What each statement gives, and the statement; to be run in this order."""


def ranking_sql(metric: Metric, minute: datetime) -> Statements:
    """Give a ranking, all rows of it."""
    return _samples(minute, f"metric = '{metric.value}'"), ("The ranking", _asked(_RANKING, minute))


def market_sql(market: Market, minute: datetime) -> Statements:
    """Give the facts of a market, a row for each metric, and its hours."""
    return (
        _samples(minute, f"market = {_quoted(str(market))}"),
        ("The numbers", _asked(_MARKET, minute)),
        ("Hour by hour", _HOURS),
    )


def alerts_sql(minute: datetime, shown: timedelta) -> Statements:
    """Give the alerts, oldest first, from the log of their changes."""
    return (("The alerts", _ALERTS.format(at=_literal(minute), since=_literal(minute - shown))),)


def coverage_sql(minute: datetime) -> Statements:
    """Give how many samples of each exchange there are."""
    return _samples(minute), ("The coverage", _COVERAGE)


def directory_sql(minute: datetime) -> Statements:
    """Give the markets by name."""
    return _samples(minute), ("The markets", "SELECT DISTINCT market FROM samples ORDER BY market")


def _samples(minute: datetime, where: str = "true") -> tuple[str, str]:
    at, since = _literal(minute), f"{minute - DAY:%Y-%m-%d}"
    return "The samples of the day", _SAMPLES.format(at=at, since=since, where=where)


def _asked(question: str, minute: datetime) -> str:
    at = _literal(minute)
    return question.format(at=at, numbers=_NUMBERS.format(at=at))


def _literal(minute: datetime) -> str:
    return f"TIMESTAMPTZ '{iso(minute)}'"


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


_SAMPLES = """\
CREATE TEMP VIEW samples AS
SELECT market, metric, minute, arg_min(value, origin <> 'poll') AS value
FROM read_parquet('[chm]*/date=*/*/*.parquet')  -- candles, hours, minutes
WHERE date >= DATE '{since}' AND {where}
  AND minute > {at} - INTERVAL 24 HOUR AND minute <= {at}
GROUP BY market, metric, minute"""

_NUMBERS = """\
  count(*) AS n_24h, arg_max(value, minute) AS latest, max(minute) AS latest_minute,
  latest / arg_min(value, minute) FILTER (minute <= {at} - INTERVAL 23 HOUR) - 1 AS change_24h,
  favg(value) FILTER (minute >= {at} - INTERVAL 1 HOUR AND minute < {at}) AS mean_1h,
  max(value) FILTER (minute = {at}) / mean_1h AS ratio_1h,
  CASE WHEN n_24h > 1 THEN stddev_pop(value) END AS stdev_24h, stdev_24h / favg(value) AS cv_24h,
  min(value) AS min_24h, max(value) AS max_24h"""

_RANKING = """\
SELECT CASE WHEN stdev_24h IS NOT NULL THEN rank() OVER (ORDER BY stdev_24h DESC NULLS LAST) END AS rank,
  *, max_24h / min_24h - 1 AS range_24h
FROM (SELECT market,
{numbers}
FROM samples GROUP BY market) ORDER BY rank NULLS LAST, market"""

_MARKET = """\
SELECT metric, count(*) FILTER (minute >= {at} - INTERVAL 1 HOUR AND minute < {at}) AS n_1h,
{numbers}
FROM samples GROUP BY metric ORDER BY metric"""

_HOURS = """\
SELECT metric, to_timestamp(3600 * ceil(epoch(minute) / 3600) - 3600) AS begins,
  min(value) AS low, max(value) AS high, arg_max(value, minute) AS last, count(*) AS n
FROM samples GROUP BY metric, begins ORDER BY begins DESC, metric"""

_ALERTS = """\
SELECT market, metric, rule, fired::TIMESTAMPTZ AS began, max(rises) AS rises, max(peak_ratio) AS peak_ratio,
  max(minute::TIMESTAMPTZ) FILTER (event <> 'firing') AS ended, arg_max(event, minute) AS last_event
FROM read_json('alerts/transitions/*/transitions.jsonl')
WHERE minute::TIMESTAMPTZ > {since} AND minute::TIMESTAMPTZ <= {at} GROUP BY ALL ORDER BY began, market"""

_COVERAGE = """\
SELECT split_part(market, ':', 1) AS exchange, count(DISTINCT market || metric) AS series, count(*) AS samples,
  max(minute) AS newest FROM samples GROUP BY exchange ORDER BY exchange"""
