"""Which samples of a day matter to the alerts of a minute: the last hours, and little of what lies before them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from tracker.alerts.evaluation import matters, standings
from tracker.alerts.values import FEED, LEEWAY, LOST_MINUTES, AlertRule, Transition
from tracker.frames import chosen, coded, micros, micros_of
from tracker.model import HOUR, MINUTE, Series

if TYPE_CHECKING:
    import pyarrow as pa


@dataclass(frozen=True, slots=True)
class Lookback:
    """Chooses of the samples of (minute - 24h, minute] those without which `evaluate` or `batches` would say otherwise.

    They are all after `start`; all of the series (or feeds) whose alert `stood`, as its peak and rises count from its
    beginning; and of every other series the last of each table, which tells since when it has been silent.
    """

    start: datetime
    stood: frozenset[Series]

    @classmethod
    def of(cls, rules: Sequence[AlertRule], told: Iterable[Transition], after: datetime) -> Lookback:
        """Say what deciding the minutes after `after` needs; `told` as for `evaluate`."""
        before = max([HOUR + MINUTE, *(timedelta(minutes=_reach(rule)) for rule in rules)])  # a mail shows an hour
        last = standings(told)
        stood = {one.series for rule in rules for one in last if one.rule == rule.name and matters(rule, one, after)}
        return cls(after - before, frozenset(stood))

    def keep(self, table: pa.Table) -> pa.Table:
        """Keep the rows that matter of a table sorted by market, metric and minute, in their order."""
        late = micros_of(table["minute"]) > micros(self.start)
        if late.all():
            return table
        (market, markets), (metric, metrics) = coded(table, "market"), coded(table, "metric")
        last = np.append((market[1:] != market[:-1]) | (metric[1:] != metric[:-1]) | late[1:], [True])
        stood = self._stood(markets, metrics)[market, metric]
        return chosen(table, np.flatnonzero(late | last | stood))

    def _stood(self, markets: Sequence[str], metrics: Sequence[str]) -> NDArray[np.bool_]:
        """Say by market and metric whether the alert of that series stood, or that of its feed."""
        alerts = {(str(one.market), one.metric.value) for one in self.stood}
        found = np.array([[(market, metric) in alerts for metric in metrics] for market in markets], bool)
        for one in self.stood:
            if one.market.base == FEED:
                rows = [market.startswith(f"{one.market.exchange}:") for market in markets]
                found |= np.outer(rows, [metric == one.metric for metric in metrics])
        return found


def _reach(rule: AlertRule) -> int:
    """Give how many minutes before the first to decide a rule looks at: those it judges, and what it compares with."""
    return rule.window + LEEWAY + 1 + (rule.lasting + LOST_MINUTES if rule.lasting else 0)
