"""The life of the alerts of one series: ok, firing, resolving, resolved. A function of what was judged, and no more."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from tracker.alerts.values import LOST_MINUTES


@dataclass(slots=True)
class Life:
    """One alert. All numbers are positions among the judged minutes, except `lost`, a minute."""

    fired: int
    risen: list[int]  # where it went above, the first included
    above: list[int]  # every position above while it was open
    last: int  # the last judged position of its life
    resolved: int | None = None
    lost: int | None = None  # the minute at which it expired

    @property
    def open(self) -> bool:
        return self.resolved is None and self.lost is None


def lives(minutes: Sequence[int], above: Sequence[bool], until: int, resolve_after: int) -> list[Life]:
    """Live through the judged minutes of a series, oldest first, and on to the minute `until`.

    A minute that could not be judged (no sample, or warming) is not among them: it neither confirms nor resolves.
    An alert ends `resolve_after` judged minutes below in a row, or LOST_MINUTES after the last judged one.
    """
    found: list[Life] = []
    alert: Life | None = None
    below = 0
    for here, (minute, is_above) in enumerate(zip(minutes, above, strict=True)):
        if alert is not None and minute > minutes[alert.last] + LOST_MINUTES:
            alert.lost = minutes[alert.last] + LOST_MINUTES
            alert = None
        if alert is None:
            if is_above:
                alert, below = Life(here, [here], [here], here), 0
                found.append(alert)
            continue
        alert.last = here
        if is_above:
            alert.above.append(here)
            if below:
                alert.risen.append(here)
            below = 0
        else:
            below += 1
            if below == resolve_after:
                alert.resolved, alert = here, None
    if alert is not None and until >= minutes[alert.last] + LOST_MINUTES:
        alert.lost = minutes[alert.last] + LOST_MINUTES
    return found
