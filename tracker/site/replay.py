"""The outcome of a replay for people: a summary in words, the cells of a table, and a page with a timeline."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from markupsafe import Markup

from tracker.alerts import AlertRule, Kind, minute_of
from tracker.model import DAY
from tracker.site import assets, formats, wording
from tracker.site.explaining import explain
from tracker.site.templates import environment

if TYPE_CHECKING:
    from tracker.replayed import Replayed, ReplayedAlert

SHOWN = 500
_ROWS, _ROW, _WIDTH, _LEFT, _RIGHT = 40, 18, 960, 240, 20


@dataclass(frozen=True, slots=True)
class Report:
    """What the template of the report gets."""

    title: str
    span: str
    facts: tuple[tuple[str, str], ...]
    days: tuple[tuple[str, int, int], ...]  # day, alerts, per cent of the busiest day
    timeline: Markup | None
    rows: tuple[tuple[str, ...], ...]
    more: int
    rules: tuple[tuple[str, tuple[str, ...]], ...]


def report(found: Replayed) -> bytes:
    """Give the report as one HTML file that needs nothing else; the same replay gives the same bytes."""
    per_day = found.per_day
    busiest = max(per_day.values(), default=0) or 1
    alerts = found.alerts
    page = Report(
        title=f"{formats.plural(len(alerts), 'alert')} would have fired",
        span=f"{formats.moment(found.start)} to {formats.moment(found.end)}",
        facts=tuple(summary(found)),
        days=tuple((f"{day:%Y-%m-%d}", n, round(100 * n / busiest)) for day, n in per_day.items()),
        timeline=_timeline(found) if alerts else None,
        rows=tuple(alert_cells(one, found.end) for one in alerts[:SHOWN]),
        more=max(0, len(alerts) - SHOWN),
        rules=tuple((rule.name, (*explain(rule), *caught(found, rule))) for rule in found.rules),
    )
    style = assets.style("style", "cards")
    text = environment().get_template("replay.html").render(page=page, style=style)
    return text.encode()


def summary(found: Replayed) -> Iterator[tuple[str, str]]:
    """Give the figures of a replay, by name."""
    alerts, per_day = found.alerts, found.per_day
    days = max(1, len(per_day))
    yield "Alerts", f"{len(alerts):,} in {formats.plural(days, 'day')}, {len(alerts) / days:.1f} a day"
    if alerts:
        day, most = max(per_day.items(), key=lambda one: one[1])
        yield "Busiest day", f"{day:%Y-%m-%d} with {formats.plural(most, 'alert')}"
    if (longest := found.longest) is not None:
        spent = formats.duration((longest.ended or found.end) - longest.fired).replace(formats.NO_BREAK, " ")
        yield "Longest", f"{wording.name(longest.series)}, {spent} from {formats.moment(longest.fired)}"
    if noisiest := found.noisiest:
        yield "Noisiest", ", ".join(f"{wording.name(series)} ({n:,})" for series, n in noisiest)
    for rule in found.rules:
        if quietest := found.quietest(rule):
            named = ", ".join(f"{wording.name(series)} ({_reach(rule, ratio)})" for series, ratio in quietest)
            yield f"Quietest ({rule.name})", named
    yield "Mails", f"{found.mails:,} to each reader, one per minute in which something changed"
    yield "Saved by cooldown", f"{formats.plural(found.saved_by_cooldown, 'mail')} about alerts that rose again"


def alert_cells(one: ReplayedAlert, end: datetime) -> tuple[str, ...]:
    """Give an alert as the cells of a table: rule, name, exchange, fired, ended, lasted, peak, rises."""
    assert one.last is not None
    lasted = formats.duration((one.ended or end) - one.fired).replace(formats.NO_BREAK, " ")
    ended = f"{one.ended:%Y-%m-%d %H:%M}" if one.ended else "open"
    return (
        one.rule,
        wording.name(one.series),
        wording.clean(one.series.market.exchange),
        f"{one.fired:%Y-%m-%d %H:%M}",
        f"{ended} ({wording.state(one.why)})" if one.why == "expired" else ended,
        lasted,
        wording.peak(one.last),
        str(one.rises),
    )


def caught(found: Replayed, rule: AlertRule) -> Iterator[str]:
    """Say what a rule would have caught, and what it nearly caught."""
    count = sum(one.rule == rule.name for one in found.alerts)
    yield f"In the stored samples it would have fired {formats.plural(count, 'time')}."
    miss = found.misses.get(rule.name)
    if miss is None:
        yield "Nothing could be judged there, so there is no nearest miss."
        return
    at = formats.moment(minute_of(miss.minute))
    if rule.kind.silence:
        yield f"Nearest miss: {wording.name(miss.series)}, silent for {wording.span(int(miss.latest))} at {at}."
    else:
        yield f"Nearest miss: {wording.name(miss.series)}, {_reach(rule, miss.ratio)} at {at}."


def _reach(rule: AlertRule, ratio: float) -> str:
    """Say how far a series went, in the terms of the rule."""
    if rule.kind is Kind.CHANGE_PERCENT:
        return wording.percent(ratio)
    if rule.kind is Kind.THRESHOLD:
        return wording.number(ratio * float(rule.limit))
    return formats.ratio(ratio)


def _timeline(found: Replayed) -> Markup:
    """Draw a line per series and a bar per alert; beyond _ROWS series the noisiest ones."""
    of: dict[tuple[str, str], list[ReplayedAlert]] = {}
    for one in found.alerts:
        of.setdefault((wording.name(one.series), wording.clean(one.series.market.exchange)), []).append(one)
    shown = sorted(of.items(), key=lambda one: (-len(one[1]), one[0]))[:_ROWS]
    height = _ROW * (len(shown) + 1)
    said = f"Timeline of {len(shown)} series, {len(of) - len(shown)} not shown"
    head = Markup('<svg viewBox="0 0 {} {}" role="img" aria-label="{}">').format(_LEFT + _WIDTH + _RIGHT, height, said)
    lines = [_line(found, row, *key, alerts) for row, (key, alerts) in enumerate(shown)]
    return Markup("").join([head, *_axis(found, height), *lines, Markup("</svg>")])


def _axis(found: Replayed, height: int) -> Iterator[Markup]:
    days = max(1, (found.end - found.start) // DAY)
    for day in range(0, days + 1, max(1, days // 10)):
        x = _at(found, found.start + day * DAY)
        at = f"{found.start + day * DAY:%m-%d}"
        yield Markup('<path class="g" d="M{0:.1f} 0V{1}"/><text class="d" x="{0:.1f}" y="{2}">{3}</text>').format(
            x, height - _ROW, height - 4, at
        )


def _line(found: Replayed, row: int, name: str, exchange: str, alerts: list[ReplayedAlert]) -> Markup:
    y = row * _ROW
    label = Markup('<text x="0" y="{}">{} <tspan>{}</tspan></text>').format(y + 13, name[:24], exchange[:10])
    bars = []
    for one in alerts:
        ended = one.ended or found.end
        x = max(_at(found, one.fired), _LEFT)
        spent = formats.duration(ended - one.fired)
        bars.append(
            Markup('<rect x="{:.1f}" y="{}" width="{:.1f}" height="{}"><title>{}: {}, {}</title></rect>').format(
                x, y + 3, max(2.0, _at(found, ended) - x), _ROW - 6, one.rule, formats.moment(one.fired), spent
            )
        )
    return Markup("").join([label, *bars])


def _at(found: Replayed, at: datetime) -> float:
    """Give the place of an instant on the timeline."""
    return _LEFT + _WIDTH * ((at - found.start) / (found.end - found.start))
