"""The simulated exchange in a thread, on a free port, with a clock that stands still until it is set."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tracker.model import Market
from tracker.sim.faults import Faults
from tracker.sim.listening import listen
from tracker.sim.server import Simulation, server

NOW = datetime(2026, 11, 23, 22, 10, 3, tzinfo=UTC)
"""Where the clock stands at first: three seconds into a minute."""


@dataclass
class Exchange:
    """A running simulator. Set `now` to move time, call `misbehave` to change its faults."""

    url: str
    simulation: Simulation
    now: datetime = NOW

    def clock(self) -> datetime:
        """Give the simulated time: hand this to whatever needs a clock."""
        return self.now

    def misbehave(self, spec: str | None) -> None:
        """Replace the faults, as `--faults` does; None for none. Their minutes count from now."""
        self.simulation.started = self.now
        self.simulation.faults = Faults.parse(spec, self.simulation.seed)

    @property
    def requests(self) -> list[str]:
        """The paths asked for so far, each with its query."""
        return list(self.simulation.requests)

    @property
    def environment(self) -> dict[str, str]:
        """The settings that lead the product here."""
        names = ("COINBASE", "COINBASE_ADVANCED", "KRAKEN", "BINANCE")
        return {f"TRACKER_{name}_URL": self.url for name in names} | {"TRACKER_PACE": "off"}


@contextmanager
def running(
    *,
    now: datetime = NOW,
    seed: int = 1,
    replay: Path | None = None,
    ahead: timedelta = timedelta(0),
    faults: str | None = None,
    rate_limit: bool = False,
    many: bool = False,
) -> Iterator[Exchange]:
    """Run a simulator for the length of a `with`."""
    exchange = Exchange("", None, now)  # type: ignore[arg-type]  # it is made in the next line, from this clock
    exchange.simulation = Simulation.make(
        exchange.clock, seed=seed, replay=replay, ahead=ahead, faults=faults, rate_limit=rate_limit, many=many
    )
    door = listen(0)
    exchange.url = f"http://127.0.0.1:{door.getsockname()[1]}"
    one = server(exchange.simulation)
    thread = threading.Thread(target=one.run, kwargs={"sockets": [door]}, daemon=True)
    thread.start()
    try:
        yield exchange
    finally:
        one.should_exit = True
        thread.join(10)
        door.close()


@pytest.fixture(scope="session")
def _exchange() -> Iterator[Exchange]:
    with running() as one:
        yield one


@pytest.fixture
def exchange(_exchange: Exchange) -> Exchange:
    """Give a running simulator of made-up markets as if new: no faults, no rate limit, no requests yet."""
    _exchange.now = NOW
    _exchange.misbehave(None)
    _exchange.simulation.rate_limit = False
    _exchange.simulation.forget()
    return _exchange


@pytest.fixture
def exchange_with() -> Iterator[Callable[..., Exchange]]:
    """Give a maker of simulators: `exchange_with(replay=path, faults="429:0.1", rate_limit=True, …)`."""
    from contextlib import ExitStack

    with ExitStack() as stack:
        yield lambda **options: stack.enter_context(running(**options))


BTC = Market("coinbase", "BTC", "USD")
