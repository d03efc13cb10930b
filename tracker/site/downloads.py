"""The site as files for machines: JSON, CSV and Parquet, with every digit."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from datetime import datetime
from math import isfinite
from typing import TYPE_CHECKING, Any

from tracker.model import Market, Metric, Series, iso
from tracker.site.content import Content
from tracker.site.pages import Alert
from tracker.site.samples import DAY_MINUTES

if TYPE_CHECKING:
    import pyarrow as pa

NUMBERS = (
    "latest", "latest_minute", "change_24h", "mean_1h", "ratio_1h", "stdev_24h", "cv_24h", "rank",
    "n_1h", "n_24h", "min_24h", "max_24h",
)  # fmt: skip


def _json(value: object) -> bytes:
    return (json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":")) + "\n").encode()


def _plain(value: object) -> Any:
    """Give what JSON can say: an instant in ISO 8601, null for a number that is none."""
    if isinstance(value, datetime):
        return iso(value)
    return None if isinstance(value, float) and not isfinite(value) else value


def _ranked(content: Content) -> Iterator[dict[str, Any]]:
    for metric in Metric:
        for row in content.rows[metric]:
            series = Series(content.markets[row["market"]], metric)
            numbers = {name: _plain(row[name]) for name in NUMBERS}
            yield {"market": row["market"], "metric": row["metric"], **numbers, "state": content.state(series).value}


def ranking(content: Content) -> dict[str, bytes]:
    """Give api/v1/ranking.json and data/ranking.csv: one row per series, in rank order, absent values null or empty."""
    rows = list(_ranked(content))
    columns = ["market", "metric", *NUMBERS, "state"]
    lines = [",".join(columns), *(",".join(_cell(row[name]) for name in columns) for row in rows)]
    return {
        "api/v1/ranking.json": _json({"minute": iso(content.minute), "series": rows}),
        "data/ranking.csv": ("\n".join(lines) + "\n").encode(),
    }


def _cell(value: object) -> str:
    text = "" if value is None else repr(value) if isinstance(value, float) else str(value)
    return '"' + text.replace('"', '""') + '"' if any(mark in text for mark in ',"\r\n') else text


def market(content: Content, one: Market) -> dict[str, bytes]:
    """Give the samples of one market in (t-24h, t]: JSON by metric; CSV and Parquet as frames.SAMPLES has them."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    slug, start = one.slug, int(content.minute.timestamp()) - DAY_MINUTES * 60
    metrics: dict[str, list[list[float]]] = {}
    parts: list[pa.Table] = []
    for metric in Metric:
        samples = content.samples.get((str(one), metric.value))
        if samples is None:
            continue
        stamps = (samples.at * 60 + start).tolist()
        metrics[metric.value] = [[at, value] for at, value in zip(stamps, samples.values.tolist(), strict=True)]
        parts.append(content.window.slice(samples.start, samples.stop - samples.start))
    rows = _texts(pa.concat_tables(parts))
    parquet = io.BytesIO()
    pq.write_table(rows, parquet, compression="zstd")
    return {
        f"api/v1/series/{slug}.json": _json({"market": str(one), "minute": iso(content.minute), "metrics": metrics}),
        f"data/{slug}-24h.csv": _csv(rows),
        f"data/{slug}-24h.parquet": parquet.getvalue(),
    }


def _texts(rows: pa.Table) -> pa.Table:
    """Give dictionary columns as text: a slice would carry the names of all markets into every file."""
    import pyarrow as pa

    schema = pa.schema(
        [field.with_type(pa.string()) if pa.types.is_dictionary(field.type) else field for field in rows.schema]
    )
    return rows.cast(schema)


def _csv(rows: pa.Table) -> bytes:
    import pyarrow as pa
    import pyarrow.compute as pc
    from pyarrow import csv

    for index, field in enumerate(rows.schema):
        if pa.types.is_timestamp(field.type):
            seconds = rows.column(index).cast(pa.timestamp("s", tz="UTC"), safe=False)
            rows = rows.set_column(index, field.name, pc.strftime(seconds, format="%Y-%m-%dT%H:%M:%SZ"))
    out = io.BytesIO()
    csv.write_csv(rows, out, csv.WriteOptions(quoting_header="needed"))
    return out.getvalue()


def alerts(content: Content) -> bytes:
    """Give api/v1/alerts.json: what is open, and all that is known of the last days, newest first."""
    return _json(
        {
            "minute": iso(content.minute),
            "open": [_alert(one) for one in content.alerts if one.open],
            "ended": [_alert(one) for one in content.alerts if not one.open],
        }
    )


def _alert(one: Alert) -> dict[str, Any]:
    return {
        "id": one.id,
        "rule": one.rule,
        "market": str(one.market),
        "metric": one.metric.value,
        "state": one.state.value if one.state else None,
        "fired": iso(one.fired) if one.fired else None,
        "ended": iso(one.ended) if one.ended else None,
        "why_ended": one.why_ended,
        "peak_ratio": _plain(one.peak_ratio),
        "rises": one.rises,
        "would_have_fired": one.would_have_fired,
    }


def status(content: Content) -> bytes:
    """Give api/v1/status.json: what an outside watcher looks at."""
    now, about = content.status, content.about
    states = [state.value for state in content.evaluation.states.values()]
    return _json(
        {
            "minute": iso(content.minute),
            "version": about.version,
            "commit": about.commit,
            "run_id": about.run_id,
            "run_url": about.run_url,
            "series": len(content.by_series),
            "states": {name: states.count(name) for name in sorted(set(states))},
            "feeds": [
                {
                    "exchange": feed.exchange,
                    "expected": feed.expected,
                    "got": feed.got,
                    "samples": feed.samples,
                    "seconds": feed.seconds,
                    "error": feed.error,
                }
                for feed in now.feeds
            ],
            "problems": [{"where": one.where, "what": one.what} for one in now.problems],
            "steps": [{"name": step.name, "seconds": step.seconds} for step in now.steps],
            "outbox": {
                "depth": now.outbox_depth,
                "oldest_unsent": iso(now.oldest_unsent) if now.oldest_unsent else None,
                "failed": now.failed_mails,
                "mail_configured": now.mail_configured,
            },
        }
    )
