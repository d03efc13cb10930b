"""Alerts as rows first, mails second: what must be told stands in the object store before anything can fail.

alerts/transitions/date=YYYY-MM-DD/transitions.jsonl     every change of an alert, one JSON object a line, appended
alerts/outbox/date=YYYY-MM-DD/HHMM-<recipient>-<n>.json  what one mail tells one recipient of one minute
alerts/sending/…                                         the same name: somebody is sending it just now
alerts/sent/…, alerts/failed/…                           the same name: that mail was taken, or refused for good

Outbox objects are written by create alone. The n-th page of a minute and recipient holds what no page before it
does, so two evaluators at once, or one killed and run again, queue each key once. A mail waits as long as it has
neither twin; killed between the server's 250 and the `sent` twin, it is sent again with the same Message-ID.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime
from itertools import count, groupby

from tracker.alerts.values import Backlog, Batch, Delivery, Event, Transition, key_of
from tracker.model import DAY, MINUTE, iso
from tracker.objects import Objects
from tracker.outbox import rows

KEEP_TRYING = 3 * DAY
"""A mail that could not be sent for this long is given up; it stays on the alerts page as undelivered."""

CLAIMED = 2 * MINUTE
"""A mail that is being sent is nobody else's for this long: longer than the time-outs of one sending."""

SHOWN_IN_TROUBLE, SHOWN_SENT = 30, 50
"""So many mails of each kind are shown."""

_ID = re.compile(r"(\d{4}-\d\d-\d\d)/(\d\d)(\d\d)-[0-9a-f]{8}-\d+")
_ADDRESS = re.compile(r"[^\s<>\"'(),:;]+@[^\s<>\"'(),:;]+")


class ObjectOutbox:
    """The outbox under the store's root (a URL as Objects takes it)."""

    def __init__(self, url: str | Objects) -> None:
        self._objects = Objects(url) if isinstance(url, str) else url

    # the log of transitions ------------------------------------------------------------------

    def record(self, transitions: Sequence[Transition], *, live: bool = True) -> int:
        """Append the transitions that are not there yet; say how many were new.

        What was told stays as it was told, also when a repair later gives other numbers. Not `live` means recorded
        from the past: it would have fired. When its minute is then evaluated live it is new, and told.
        """
        new = 0
        for day, group in groupby(sorted(transitions, key=lambda one: one.minute), key=lambda one: one.minute.date()):
            new += self._append(day, [replace(one, would_have_fired=not live) for one in group])
        return new

    def _append(self, day: date, transitions: list[Transition]) -> int:
        added: list[Transition] = []

        def change(old: bytes | None) -> bytes | None:
            there = {one.id: one for one in _told_last(rows.read_log(old, _log(day)))}
            fresh = {one.id: one for one in transitions}.values()
            added[:] = [one for one in fresh if one.id not in there or _is_told_now(there[one.id], one)]
            lines = "".join(json.dumps(rows.row(one), allow_nan=False) + "\n" for one in added)
            return (old or b"") + lines.encode() if added else None

        self._objects.update(_log(day), change)
        return len(added)

    def transitions(self, start: datetime, end: datetime) -> list[Transition]:
        """Give the recorded transitions of (start, end], oldest first. Reads an object of each day that has some."""
        logs = [_log(day) for day in _days(start, end)]
        if len(logs) > 2:
            there = {info.path for info in self._objects.list("alerts/transitions")}
            logs = [one for one in logs if one in there]
        found = [
            one for path in logs for one in rows.read_log(self._objects.get(path), path) if start < one.minute <= end
        ]
        known = {one.id: one for one in _told_last(found)}
        return sorted(known.values(), key=lambda one: (one.minute, one.rule, one.series, one.event.value))

    # the mails -------------------------------------------------------------------------------

    def queue(self, batch: Batch) -> int:
        """Queue what one recipient was not told before, a mail for each minute; say how many keys were new.

        The id of the batch and its minute are given here: `batch` may hold transitions of several minutes.
        """
        once = sorted({one.id: one for one in batch.transitions}.values(), key=lambda one: one.minute)
        return sum(
            self._queue(replace(batch, minute=minute, transitions=tuple(group)))
            for minute, group in groupby(once, key=lambda one: one.minute)
        )

    def _queue(self, batch: Batch) -> int:
        for page in count():
            name = _id(batch.recipient, batch.minute, page)
            if not batch.transitions:
                return 0
            if self._objects.create(f"alerts/outbox/date={name}.json", rows.mail(batch)):
                return len(batch.transitions)
            there = self._page(name)
            known = set() if there is None else set(there.keys)
            fresh = tuple(one for one in batch.transitions if key_of(one, batch.recipient) not in known)
            batch = replace(batch, transitions=fresh)
        raise AssertionError("count() ends never")

    def pending(self, now: datetime) -> list[Delivery]:
        """Give the mails of the last KEEP_TRYING that are neither sent nor refused for good.

        First the oldest of each recipient, then the second, and so on: one whose server stalls keeps nobody waiting.
        """
        waiting = [one for one in self.deliveries(now - KEEP_TRYING - MINUTE, now, now) if one.state == "waiting"]
        turns: Counter[str] = Counter()
        order = []
        for one in waiting:
            turns[one.recipient] += 1
            order.append((turns[one.recipient], one.minute, one.id, one))
        return [one for *_, one in sorted(order)]

    def deliveries(self, start: datetime, end: datetime, now: datetime) -> list[Delivery]:
        """Give every mail of the minutes in (start, end] and how it fares at `now`, oldest first."""
        found = []
        for day in _days(start, end):
            if names := self._names("outbox", day):
                sent, failed = self._names("sent", day), self._names("failed", day)
                for name in sorted(names):
                    minute = _minute(name)
                    if start < minute <= end:
                        old = "gave_up" if now - minute > KEEP_TRYING else "waiting"
                        state = "sent" if name in sent else "failed" if name in failed else old
                        found.append(Delivery(name, minute, state))
        return sorted(found, key=lambda one: (one.minute, one.id))

    def backlog(self, now: datetime) -> Backlog:
        """Count what is owed, over the last seven days, and give the mails to show."""
        states = self.deliveries(now - 7 * DAY, now, now)
        waiting = [one for one in states if one.state == "waiting"]
        undelivered = [one for one in states if one.state in {"failed", "gave_up"}]
        sent = [one for one in states if one.state == "sent"]
        trouble = [replace(one, reason=self._reason(one)) for one in undelivered[: -SHOWN_IN_TROUBLE - 1 : -1]]
        return Backlog(
            waiting=len(waiting),
            oldest=min((one.minute for one in waiting), default=None),
            undelivered=len(undelivered),
            mails=(*waiting[:SHOWN_IN_TROUBLE], *trouble, *sent[: -SHOWN_SENT - 1 : -1]),
        )

    def _reason(self, one: Delivery) -> str:
        """Say why a mail was never sent."""
        data = self._objects.get(f"alerts/failed/date={one.id}.json")
        return f"not taken for {KEEP_TRYING.days} days" if data is None else str(json.loads(data)["reason"])

    def claim(self, name: str, now: datetime) -> bool:
        """Claim a mail for sending, before asking for its batch; False while another sender has it.

        The claim of a sender that was killed ends after CLAIMED.
        """

        def change(old: bytes | None) -> bytes | None:
            taken = old is not None and now < datetime.fromisoformat(json.loads(old)["until"])
            return None if taken else rows.to_json({"until": iso(now + CLAIMED)})

        return self._objects.update(f"alerts/sending/date={_checked(name)}.json", change)

    def release(self, name: str) -> None:
        """Give a claimed mail back, sent or not."""
        self._objects.delete([f"alerts/sending/date={_checked(name)}.json"])

    def batch(self, name: str) -> Batch | None:
        """Give a mail of `pending` with what it answers; None if it is not there, or sent or failed meanwhile."""
        _checked(name)
        if any(self._objects.get(f"alerts/{twin}/date={name}.json") is not None for twin in ("sent", "failed")):
            return None
        batch = self._page(name)
        return None if batch is None else replace(batch, answers=self._answered(batch))

    def mark_sent(self, batch: Batch, at: datetime) -> bool:
        """Write down that the mail was taken; False if that was written before."""
        told = {"at": iso(at), "digest": batch.digest}
        return self._objects.create(f"alerts/sent/date={batch.id}.json", rows.to_json(told))

    def mark_failed(self, batch: Batch, reason: str, at: datetime) -> bool:
        """Write down that the mail will never be taken, and why, without the addresses in the reason."""
        told = {"at": iso(at), "reason": _ADDRESS.sub("(address)", reason)}
        return self._objects.create(f"alerts/failed/date={batch.id}.json", rows.to_json(told))

    def _answered(self, batch: Batch) -> Batch | None:
        """Find the one mail that announced all the alerts this one closes; None if there is no one mail."""
        fired = batch.transitions[0].fired
        if any(one.event is Event.FIRING or one.fired != fired for one in batch.transitions):
            return None
        alerts = {one.alert_id for one in batch.transitions}
        for page in count():
            announced = self._page(_id(batch.recipient, fired, page))
            if announced is None:
                return None
            told = {one.alert_id for one in announced.transitions if one.event is Event.FIRING}
            if alerts <= told:
                return announced
        return None

    def _page(self, name: str) -> Batch | None:
        path = f"alerts/outbox/date={name}.json"
        data = self._objects.get(path)
        return None if data is None else rows.read_mail(data, name, path)

    def _names(self, kind: str, day: date) -> set[str]:
        prefix = f"alerts/{kind}/date={day}"
        names = (
            info.path.removeprefix(f"alerts/{kind}/date=").removesuffix(".json") for info in self._objects.list(prefix)
        )
        return {name for name in names if _ID.fullmatch(name)}


def _log(day: date) -> str:
    return f"alerts/transitions/date={day}/transitions.jsonl"


def _id(recipient: str, minute: datetime, page: int) -> str:
    """Name a mail without telling who gets it: names are seen in logs and in Airflow's UI."""
    who = hashlib.sha256(recipient.encode()).hexdigest()[:8]
    return f"{minute:%Y-%m-%d/%H%M}-{who}-{page}"


def _checked(name: str) -> str:
    if not _ID.fullmatch(name):
        raise ValueError(f"{name!r} names no mail of the outbox")
    return name


def _minute(name: str) -> datetime:
    return datetime.strptime(name[:15], "%Y-%m-%d/%H%M").replace(tzinfo=UTC)


def _days(start: datetime, end: datetime) -> Iterator[date]:
    """Give the days that hold a minute of (start, end]."""
    day = start.date()
    while day <= end.date():
        yield day
        day += DAY


def _told_last(transitions: Iterable[Transition]) -> list[Transition]:
    """Put what was told behind what would have fired: of two lines for one transition the told one counts."""
    return sorted(transitions, key=lambda one: not one.would_have_fired)


def _is_told_now(before: Transition, now: Transition) -> bool:
    return before.would_have_fired and not now.would_have_fired
