"""Which notices to the operator were sent, so that a run that fails every minute is told once an hour.

alerts/notices/date=YYYY-MM-DD/<stretch>-<hash of what>.json    somebody was told this in that stretch of time
"""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime, timedelta

from tracker.model import iso
from tracker.objects import Objects
from tracker.outbox.rows import to_json

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Notices:
    """The notices under the store's root, and who gets them."""

    def __init__(self, objects: Objects, operator: tuple[str, ...]) -> None:
        self.operator = operator
        self._objects = objects

    def told(self, what: str, now: datetime, every: timedelta) -> bool:
        """Say whether this was told in the present stretch of `every`."""
        return self._objects.get(_place(what, now, every)) is not None

    def tell(self, what: str, now: datetime, every: timedelta) -> bool:
        """Write down that it was told; False if another was first."""
        return self._objects.create(_place(what, now, every), to_json({"at": iso(now)}))


def _place(what: str, now: datetime, every: timedelta) -> str:
    stretch = _EPOCH + (now - _EPOCH) // every * every
    name = hashlib.sha256(what.encode()).hexdigest()[:16]
    return f"alerts/notices/date={stretch:%Y-%m-%d}/{stretch:%H%M%S}-{name}.json"
