"""What the site knows of itself, and one frozen dataclass per page: templates choose words, not numbers."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from markupsafe import Markup

from tracker.alerts import AlertRule, Delivery, Silence, State
from tracker.coverage import ExchangeCoverage
from tracker.model import NOTHING_ASKED, About, Market, Metric, Problem, Usage
from tracker.site.cost import Cost
from tracker.site.formats import Number

if TYPE_CHECKING:
    from tracker.site.runs import RunRow

LATE_AFTER = timedelta(seconds=60)
"""A page is late when it is older than its period and this; so it survives one slow run."""

STALE_AFTER = timedelta(seconds=120)
"""A page is stale when it is older than its period and this."""


@dataclass(frozen=True, slots=True)
class Feed:
    """What one exchange gave at the last fetch: how many markets of how many, and the error if it failed."""

    exchange: str
    expected: int
    got: int
    samples: int
    seconds: float
    error: str | None = None


@dataclass(frozen=True, slots=True)
class Step:
    """One step of the last run and how long it took."""

    name: str
    seconds: float


@dataclass(frozen=True, slots=True)
class Run:
    """The steps of one minute that reported, and the exchanges that did not answer."""

    minute: datetime
    steps: tuple[Step, ...] = ()
    failed: tuple[str, ...] = ()

    @property
    def total(self) -> float:
        """The seconds of all steps."""
        return sum(step.seconds for step in self.steps)


@dataclass(frozen=True, slots=True)
class Figure:
    """A number of the minute before, as the metrics have it; `what` names it for a reader."""

    name: str
    what: str
    value: float


@dataclass(frozen=True, slots=True)
class Status:
    """How the last run went and what waits; all from the steps' own reports. `runs` are earlier ones."""

    problems: tuple[Problem, ...] = ()
    feeds: tuple[Feed, ...] = ()
    steps: tuple[Step, ...] = ()
    runs: tuple[Run, ...] = ()
    outbox_depth: int = 0
    oldest_unsent: datetime | None = None
    failed_mails: int = 0
    mails: tuple[Delivery, ...] = ()
    silences: tuple[Silence, ...] = ()
    mail_configured: bool = False
    coverage: tuple[ExchangeCoverage, ...] = ()
    figures: tuple[Figure, ...] = ()
    usage: Usage = NOTHING_ASKED


@dataclass(frozen=True, slots=True)
class Alert:
    """The life of one alert, folded from its transitions. Times are whole UTC minutes; None is not known or not yet."""

    id: str
    rule: str
    market: Market
    metric: Metric
    state: State | None  # firing or resolving while open, None once ended
    fired: datetime | None
    ended: datetime | None
    why_ended: str | None
    peak_ratio: float | None
    peak: str  # the same in words
    rises: int
    would_have_fired: bool = False  # all of it decided over history: would have fired, was never mailed
    muted: str | None = None  # why nobody got a mail about it

    @property
    def open(self) -> bool:
        return self.state is not None


@dataclass(frozen=True, slots=True)
class Link:
    """A link by its words; `href` is relative to the root of the site."""

    text: str
    href: str


@dataclass(frozen=True, slots=True)
class Proof:
    """Where the numbers of a page come from, and the SQL that gives them again: statements with their names.

    `objects` are those of the store and files of the site that hold them, with the SHA-256 of their bytes.
    """

    used: int | None = None
    missing: int | None = None
    sql: tuple[tuple[str, str], ...] = ()
    objects: tuple[tuple[str, str], ...] = ()


NO_PROOF = Proof()


@dataclass(frozen=True, slots=True)
class Frame:
    """What every page has around its content."""

    title: str
    path: str
    description: str
    minute: datetime
    period: int | None  # seconds until the page is made anew; None for one that is kept as it is
    stale_at: datetime | None
    about: About
    open_alerts: int
    proof: Proof
    downloads: tuple[Link, ...] = ()

    @property
    def root(self) -> str:
        """The way from this page to the root of the site: empty, or `../` per folder."""
        return "../" * self.path.count("/")


@dataclass(frozen=True, slots=True)
class Row:
    """One line of a ranking, as printed."""

    rank: str
    moved: str
    market: Market
    href: str
    latest: Number
    change: str
    mean: Number
    ratio: str
    stdev: Number
    cv: str
    n: int
    span: str  # width of the 24 h range, as a part of its low
    place: int | None  # of the latest value in the 24 h range, 0 to 100
    spark: Markup
    sampled: Markup
    behind: int  # whole minutes between the latest sample and the page's minute
    state: State
    state_text: str


@dataclass(frozen=True, slots=True)
class Card:
    """One headline above a table."""

    label: str
    value: str
    note: str
    href: str | None = None
    tone: str = ""


@dataclass(frozen=True, slots=True)
class RankingPage:
    """A page of at most 100 rows of one metric's ranking."""

    frame: Frame
    metric: Metric
    rows: tuple[Row, ...]
    first: int
    total: int
    number: int
    pages: tuple[Link, ...]
    cards: tuple[Card, ...]
    exchanges: tuple[str, ...]
    quotes: tuple[str, ...]
    then: tuple[Link, ...]
    kept: bool = False  # a copy, of a minute that is over


@dataclass(frozen=True, slots=True)
class Tick:
    """A label of an axis; `at` is its place in percent of the plot, from the left or from the top."""

    at: float
    text: str


@dataclass(frozen=True, slots=True)
class Chart:
    """A 24 h chart: an SVG plot without text, the labels to lay around it, and what hovering reads out.

    `sentence` says the chart in words. `hover` is the compact form of all samples (hover.encode).
    """

    svg: Markup
    sentence: str
    low: float  # the value at the foot of the plot
    high: float  # and at its head
    y_ticks: tuple[Tick, ...]
    x_ticks: tuple[Tick, ...]
    last_at: float | None
    last_text: str
    note: str | None
    hover: str
    has_limit: bool
    has_gap: bool
    has_alert: bool


@dataclass(frozen=True, slots=True)
class Fact:
    """A number with its name, and how it came about."""

    name: str
    value: Number | str
    note: str = ""


@dataclass(frozen=True, slots=True)
class SeriesView:
    """One metric of a market page."""

    metric: Metric
    unit: str
    unit_note: str
    limit_name: str
    headline: Number
    change: str
    state: State
    state_text: str
    facts: tuple[Fact, ...]
    chart: Chart | None


@dataclass(frozen=True, slots=True)
class MarketPage:
    """All of one market."""

    frame: Frame
    market: Market
    series: tuple[SeriesView, ...]
    columns: tuple[str, ...]
    hours: Markup  # the rows of the table under `columns`, written in one piece: they are most of the page's cells
    alerts: tuple[Alert, ...]
    place: str  # among the markets by rank
    previous: Link | None
    following: Link | None


@dataclass(frozen=True, slots=True)
class Coverage:
    """How many of the expected samples of one exchange lie in the window, by hour (oldest first, 0 to 100 each)."""

    exchange: str
    series: int
    samples: int
    expected: int
    newest: datetime
    hours: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class FateKey:
    """One line of the legend of strips."""

    name: str
    meaning: str
    svg: Markup


@dataclass(frozen=True, slots=True)
class Strip:
    """The 24 h of one market: a picture, and the minutes of each fate in the order of the legend."""

    market: Market
    href: str | None
    svg: Markup
    counts: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class DayCoverage:
    """What became of each minute of the last 24 h.

    `totals`: by exchange, its number of markets and the minutes of each fate. `strips`: those of all markets where
    there are few, else of markets with something to tell, at most so many as are read; `whole` and `more` count
    the markets left out: whole days, and others.
    """

    legend: tuple[FateKey, ...]
    totals: tuple[tuple[str, int, tuple[int, ...]], ...]
    sentences: tuple[Markup, ...]
    strips: tuple[Strip, ...]
    whole: int
    more: int


@dataclass(frozen=True, slots=True)
class StatusPage:
    """How fresh and how complete the data is, how the last run went, what waits."""

    frame: Frame
    status: Status
    shown_problems: tuple[Problem, ...]
    coverage: tuple[Coverage, ...]
    day: DayCoverage | None
    verdict: str
    tone: str
    cards: tuple[Card, ...]
    runs: tuple[RunRow, ...]
    cost: Cost | None


@dataclass(frozen=True, slots=True)
class MethodologyPage:
    """The definitions, from the constants of the code; `sql` is the statement that computes them."""

    frame: Frame
    rules: tuple[tuple[AlertRule, tuple[str, ...]], ...]  # with what it does, in sentences
    steps: tuple[tuple[AlertRule, tuple[tuple[str, int], ...]], ...]
    metrics: tuple[Metric, ...]
    definitions: tuple[tuple[str, str], ...]
    sql: str
    poll_within: int
    silent_minutes: int
    lost_minutes: int
    late: int
    stale: int


@dataclass(frozen=True, slots=True)
class DirectoryPage:
    """Every market by name."""

    frame: Frame
    groups: tuple[tuple[str, tuple[Link, ...]], ...]
    total: int


@dataclass(frozen=True, slots=True)
class HistoryPage:
    """The hours whose ranking is kept, by day, newest day first."""

    frame: Frame
    days: tuple[tuple[str, tuple[Link, ...]], ...]
    total: int


@dataclass(frozen=True, slots=True)
class PlainPage:
    """A page of words only."""

    frame: Frame
