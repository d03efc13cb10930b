"""Transitions and batches as JSON, as the log and the outbox keep them."""

from __future__ import annotations

import json
import math
from datetime import datetime
from typing import Any

from tracker.alerts.values import Batch, Comparison, Event, Kind, MassRise, Transition
from tracker.errors import CorruptObject
from tracker.model import Market, Metric, Series, iso


def to_json(told: dict[str, Any]) -> bytes:
    return (json.dumps(told, indent=1, allow_nan=False) + "\n").encode()


def row(one: Transition) -> dict[str, Any]:
    """Write a transition as JSON can say it: an infinite ratio, over a base of 0, is null."""
    return {
        "rule": one.rule,
        "market": str(one.series.market),
        "metric": one.series.metric.value,
        "event": one.event.value,
        "minute": iso(one.minute),
        "fired": iso(one.fired),
        "latest": one.latest,
        "base": one.base,
        "n": one.n,
        "peak_ratio": one.peak_ratio if math.isfinite(one.peak_ratio) else None,
        "rises": one.rises,
        "kind": one.kind.value,
        "comparison": one.comparison.value,
        "limit": one.limit,
        "window": one.window,
        "muted": one.muted,
        "would_have_fired": one.would_have_fired,
    }


def transition(raw: dict[str, Any]) -> Transition:
    return Transition(
        rule=raw["rule"],
        series=Series(Market.parse(raw["market"]), Metric(raw["metric"])),
        event=Event(raw["event"]),
        minute=datetime.fromisoformat(raw["minute"]),
        fired=datetime.fromisoformat(raw["fired"]),
        latest=raw["latest"],
        base=raw["base"],
        n=raw["n"],
        peak_ratio=math.inf if raw["peak_ratio"] is None else raw["peak_ratio"],
        rises=raw["rises"],
        kind=Kind(raw["kind"]),
        comparison=Comparison(raw["comparison"]),
        limit=raw["limit"],
        window=raw["window"],
        muted=raw["muted"],
        would_have_fired=raw["would_have_fired"],
    )


def read_log(data: bytes | None, path: str) -> list[Transition]:
    """Read a log of transitions, one JSON object a line; CorruptObject names its path."""
    try:
        return [transition(json.loads(line)) for line in (data or b"").decode().splitlines()]
    except (ValueError, KeyError, TypeError) as error:
        raise CorruptObject(f"{path} is not a log of alerts ({error!r}); mend or move it away to go on") from error


def mail(batch: Batch) -> bytes:
    """Write what one mail tells."""
    return to_json(
        {
            "recipient": batch.recipient,
            "minute": iso(batch.minute),
            "run_url": batch.run_url,
            "mass": [[one.rule, one.exchange, one.count, one.of] for one in batch.mass],
            "charts": {key: list(values) for key, values in batch.charts.items()},
            "transitions": [row(one) for one in batch.transitions],
        }
    )


def read_mail(data: bytes, name: str, path: str) -> Batch:
    """Read what one mail tells; CorruptObject names its path."""
    try:
        raw = json.loads(data)
        return Batch(
            id=name,
            recipient=raw["recipient"],
            minute=datetime.fromisoformat(raw["minute"]),
            transitions=tuple(map(transition, raw["transitions"])),
            run_url=raw["run_url"],
            charts={key: tuple(values) for key, values in raw["charts"].items()},
            mass=tuple(MassRise(*one) for one in raw["mass"]),
        )
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise CorruptObject(f"{path} is not a mail of the outbox ({error!r}); move it away to go on") from error
