"""The pages about tracker itself: status, methodology, all markets by name."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby

import numpy as np

from tracker.alerts import State
from tracker.model import DAY, MINUTE, whole_hour
from tracker.site.content import Content
from tracker.site.cost import cost
from tracker.site.formats import NO_BREAK, count, plural
from tracker.site.history import by_day
from tracker.site.pages import (
    Card,
    Coverage,
    DirectoryPage,
    HistoryPage,
    Link,
    PlainPage,
    Proof,
    Status,
    StatusPage,
)
from tracker.site.proof import coverage_sql, directory_sql
from tracker.site.runs import run_rows
from tracker.site.samples import DAY_MINUTES, HOUR_MINUTES
from tracker.site.strips import day_coverage

SHOWN_PROBLEMS = 50


def status_page(content: Content) -> StatusPage:
    """Give how fresh and how complete the data is, and what waits."""
    tone, verdict = _verdict(content)
    status, coverage = content.status, tuple(_coverage(content))
    return StatusPage(
        frame=content.frame(
            "status.html",
            "Status",
            verdict,
            proof=Proof(
                used=len(content.window),
                sql=coverage_sql(content.minute),
                objects=content.objects(),
            ),
            downloads=(Link("JSON", "api/v1/status.json"),),
        ),
        status=status,
        shown_problems=status.problems[:SHOWN_PROBLEMS],
        coverage=coverage,
        day=day_coverage(status.coverage, content.minute, {str(one) for one in content.markets.values()}),
        verdict=verdict,
        tone=tone,
        cards=tuple(_cards(content, coverage)),
        runs=run_rows(status, content.minute),
        cost=cost(status.usage),
    )


def _verdict(content: Content) -> tuple[str, str]:
    """Say the worst thing first."""
    status = content.status
    failed, silent = _failed(status), _silent(content)
    if not content.by_series:
        return "bad", "No series has a sample in the last 24 hours."
    if failed:
        return (
            "bad",
            f"{', '.join(failed)} did not answer at the last fetch; the other data is as fresh as its own age says.",
        )
    if status.failed_mails:
        return "bad", f"{plural(status.failed_mails, 'mail')} could not be delivered at all."
    if silent:
        return "warn", f"{count(silent)} of {count(len(content.by_series))} series are without data."
    if status.problems:
        return "warn", f"Every series has fresh data; {plural(len(status.problems), 'problem')} at the last run."
    return "", f"All {count(len(content.by_series))} series have fresh data."


def _failed(status: Status) -> list[str]:
    return [feed.exchange for feed in status.feeds if feed.error]


def _silent(content: Content) -> int:
    return sum(state is State.NO_DATA for state in content.evaluation.states.values())


def _cards(content: Content, coverage: Sequence[Coverage]) -> Iterator[Card]:
    """Give what a glance at the page asks for: fresh, answered, complete, told."""
    status, series = content.status, len(content.by_series)
    if series:
        yield Card("Fresh series", count(series - _silent(content)), f"of {count(series)}")
    if status.feeds:
        failed = _failed(status)
        answered = f"{len(status.feeds) - len(failed)} of {len(status.feeds)}"
        note = f"{', '.join(failed)} did not answer" if failed else "answered at the last fetch"
        yield Card("Exchanges", answered, note, tone="hot" if failed else "")
    if coverage:
        samples, expected = sum(one.samples for one in coverage), sum(one.expected for one in coverage)
        share = f"{samples * 100 / expected:.1f}{NO_BREAK}%"
        yield Card("Coverage, 24 h", share, f"{count(samples)} of {count(expected)}")
    lost = status.failed_mails
    yield Card(
        "Mails waiting",
        count(status.outbox_depth),
        f"{count(lost)} failed for good" if lost else "none failed",
        "alerts.html#mails",
        "hot" if lost else "",
    )


def _coverage(content: Content) -> Iterator[Coverage]:
    newest_of = {key: samples for key, samples in content.samples.items() if len(samples)}
    by_exchange = sorted(newest_of, key=lambda key: key[0].partition(":")[0])
    for exchange, keys in groupby(by_exchange, key=lambda key: key[0].partition(":")[0]):
        of = [newest_of[key] for key in keys]
        hits = sum(np.bincount((one.at - 1) // HOUR_MINUTES, minlength=24) for one in of)
        newest = max(int(one.at[-1]) for one in of)
        yield Coverage(
            exchange=exchange,
            series=len(of),
            samples=sum(map(len, of)),
            expected=len(of) * DAY_MINUTES,
            newest=content.minute - DAY + newest * MINUTE,
            hours=tuple((np.asarray(hits) * 100 // (len(of) * HOUR_MINUTES)).tolist()),
        )


def directory_page(content: Content) -> DirectoryPage:
    """Give every market by name, grouped by exchange."""
    ordered = sorted(content.markets.values())
    groups = tuple(
        (exchange, tuple(Link(one.pair, f"m/{one.slug}.html") for one in group))
        for exchange, group in groupby(ordered, key=lambda one: one.exchange)
    )
    proof = Proof(used=len(content.window), sql=directory_sql(content.minute), objects=content.objects())
    frame = content.frame("markets.html", "All markets", "Every market by name.", proof=proof)
    return DirectoryPage(frame, groups, len(ordered))


def history_page(content: Content) -> HistoryPage:
    """Give the hours of which a copy is kept, that of now among them."""
    hours = sorted({*content.history.every, whole_hour(content.minute)})
    frame = content.frame("at/index.html", "Every hour", "The rankings as they were at each full hour.", period=3600)
    return HistoryPage(frame, tuple(by_day(hours)), len(hours))


def lost_page(content: Content) -> PlainPage:
    """Give the page for addresses that lead nowhere."""
    return PlainPage(content.frame("404.html", "Not found", "There is no such page."))
