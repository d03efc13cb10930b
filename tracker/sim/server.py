"""The simulated exchanges as an HTTP server, on 127.0.0.1 unless another address is asked for."""

from __future__ import annotations

import asyncio
import json
import logging
import math
import signal
from collections import deque
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from tracker.model import iso
from tracker.sim import advanced, binance, coinbase, kraken
from tracker.sim.exchange import Reply, View
from tracker.sim.faults import Fault, Faults
from tracker.sim.limits import Bucket, Limit
from tracker.sim.listening import listen
from tracker.sim.markets import MadeUp
from tracker.sim.replay import Replay
from tracker.sim.tape import Tape

if TYPE_CHECKING:
    from types import FrameType

    import uvicorn
    from starlette.applications import Starlette
    from starlette.requests import Request
    from starlette.responses import Response

MOST_REQUESTS = 10_000
"""So many are remembered, for tests that look at them: a demo may run for weeks."""

_HTML = b"<!DOCTYPE html><html><head><title>Just a moment...</title></head><body>Checking your browser</body></html>"
_TEXTS = {"502": 502, "403": 403}


Answer = Callable[[View, Mapping[str, str], Mapping[str, str]], Reply]


class Wire(Protocol):
    """The wire format of one exchange: a module."""

    ROUTES: Mapping[str, Answer]

    def cost(self, path: str, query: Mapping[str, str], /) -> float: ...
    def limited(self, status: int, /) -> Reply: ...
    def failed(self, status: int, /) -> Reply: ...


WIRES: dict[str, tuple[str, Any, Limit]] = {
    "coinbase": ("coinbase", coinbase, Limit(10, 15)),
    "coinbase advanced": ("coinbase", advanced, Limit(10, 15)),
    "kraken": ("kraken", kraken, Limit(1, 30)),
    "binance": ("binance", binance, Limit(100, 6000, "X-MBX-USED-WEIGHT-1M", bans=True)),
}
"""By API: whose markets it shows, its wire format, and its limit."""


@dataclass
class Simulation:
    """What the server answers from; the fields may be changed while it runs."""

    tape: Tape
    clock: Callable[[], datetime]
    seed: int
    faults: Faults = field(default_factory=Faults)
    rate_limit: bool = True
    replay: Path | None = None
    started: datetime = field(init=False)
    requests: deque[str] = field(default_factory=lambda: deque(maxlen=MOST_REQUESTS))
    """The last paths asked for, each with its query, in order."""

    _counts: dict[str, int] = field(default_factory=dict)
    _buckets: dict[str, Bucket] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.started = self.clock()

    @classmethod
    def make(
        cls,
        clock: Callable[[], datetime],
        *,
        seed: int = 1,
        replay: Path | None = None,
        ahead: timedelta = timedelta(0),
        faults: str | None = None,
        rate_limit: bool = True,
        many: bool = False,
    ) -> Simulation:
        """Prepare made-up markets, `many`: as many as in the world, or those of a recording.

        ConfigError for a wrong file or fault.
        """
        tape: Tape = Replay(replay, clock(), ahead) if replay else MadeUp(seed, many=many)
        return cls(tape, clock, seed, Faults.parse(faults, seed), rate_limit, replay)

    def forget(self) -> None:
        """Forget who asked what: for a test that wants a new server without starting one."""
        self.requests.clear()
        self._counts.clear()
        self._buckets.clear()

    def about(self) -> dict[str, Any]:
        """Say what is simulated: `GET /sim`."""
        return {
            "seed": None if self.replay else self.seed,
            "replay": self.replay.name if self.replay else None,
            "shift_seconds": self.tape.shift * 60 if isinstance(self.tape, Replay) else 0,
            "started": iso(self.started),
            "now": iso(self.clock()),
            "markets": {name: [one.pair for one in self.tape.markets(name)] for name in {w[0] for w in WIRES.values()}},
            "faults": [one.kind for one in self.faults.faults],
            "rate_limit": self.rate_limit,
        }

    def view(self, exchange: str, path: str) -> View:
        """Look at an exchange now."""
        now = self.clock()
        minutes = (now - self.started).total_seconds() / 60
        return View(self.tape, exchange, now, self.faults, minutes, path)

    def fault(self, view: View) -> Fault | None:
        """Give the fault that hits the next answer to this path."""
        number = self._counts[view.path] = self._counts.get(view.path, 0) + 1
        return self.faults.of_answer(view.path, number, view.minutes)

    def bucket(self, api: str) -> Bucket:
        """Give the bucket of an API."""
        return self._buckets.setdefault(api, Bucket(WIRES[api][2]))


def application(simulation: Simulation) -> Starlette:
    """Make the ASGI application."""
    from starlette.applications import Starlette
    from starlette.routing import Route

    async def about(_request: Request) -> Response:
        return _written(Reply(simulation.about()), simulation.clock())

    def route(api: str, path: str, answer: Answer) -> Route:
        exchange, wire, limit = WIRES[api]

        async def endpoint(request: Request) -> Response:
            simulation.requests.append(str(request.url).partition(str(request.base_url))[2])
            view, bucket = simulation.view(exchange, request.url.path), simulation.bucket(api)
            if simulation.rate_limit:
                over = bucket.take(wire.cost(view.path, request.query_params), asyncio.get_running_loop().time())
                if over:
                    wait = {"Retry-After": str(math.ceil(over[1]))} if limit.bans else {}
                    return _written(replace(wire.limited(over[0]), headers=wait), view.at)
            fault = simulation.fault(view)
            refused = _refused(wire, fault) if fault else None
            reply = refused or answer(view, request.path_params, request.query_params)
            if limit.header:
                reply = replace(reply, headers={**reply.headers, limit.header: str(bucket.used)})
            return await _faulty(reply, fault, view.at)

        return Route(path, endpoint)

    routes = [Route("/sim", about)]
    for api, (_exchange, wire, _limit) in WIRES.items():
        routes += [route(api, path, answer) for path, answer in wire.ROUTES.items()]
    return Starlette(routes=routes)


def _refused(wire: Wire, fault: Fault) -> Reply | None:
    """Give the exchange's own words for a fault that is an HTTP status."""
    wait = {} if fault.retry is None else {"Retry-After": f"{fault.retry:g}"}
    kind = "503" if fault.kind == "outage" else fault.kind
    if kind in {"418", "429"}:
        return replace(wire.limited(int(kind)), headers=wait)
    if kind in {"404", "451", "500", "503"}:
        return replace(wire.failed(int(kind)), headers=wait)
    return None


async def _faulty(reply: Reply, fault: Fault | None, at: datetime) -> Response:
    """Turn a reply into the answer on the wire, spoilt by `fault`."""
    from starlette.responses import Response

    kind = fault.kind if fault else ""
    seconds = fault.seconds if fault else None
    if kind == "slow":
        await asyncio.sleep(15.0 if seconds is None else seconds)
    if kind == "skew":
        at += timedelta(seconds=600.0 if seconds is None else seconds)
    if kind in {"html", *_TEXTS}:
        return Response(_HTML, _TEXTS.get(kind, 200), {"Date": _date(at)}, "text/html")
    body = reply.body
    if kind == "empty":
        body = [] if isinstance(body, list) else {}
    if kind == "types":
        body = dict.fromkeys(body, 7) if isinstance(body, dict) else [7 for _ in body]
    whole = _written(replace(reply, body=body), at)
    half = bytes(whole.body)[: len(whole.body) // 2]
    if kind == "truncated":
        return Response(half, reply.status, {"Date": _date(at)}, "application/json")
    if kind == "reset":  # a length that is never reached: the server closes the connection
        length = {"Content-Length": str(len(whole.body)), "Date": _date(at)}
        return Response(half, reply.status, length, "application/json")
    return whole


def _written(reply: Reply, at: datetime) -> Response:
    from starlette.responses import Response

    content = json.dumps(reply.body, separators=(",", ":")).encode()
    at -= timedelta(seconds=int(reply.headers.get("Age", 0)))  # a cache keeps the date of what it keeps
    headers = {**reply.headers, "Date": _date(at)}
    return Response(content, reply.status, headers, "application/json; charset=utf-8")


def _date(at: datetime) -> str:
    return format_datetime(at, usegmt=True)


def server(simulation: Simulation) -> uvicorn.Server:
    """Make the HTTP server; it says nothing, and dates its answers by the simulation's clock."""
    import uvicorn

    class Quiet(uvicorn.Server):
        def handle_exit(self, sig: int, frame: FrameType | None) -> None:
            """Stop on the first signal and do not raise it again: stopping is what was asked for."""
            del frame
            self.force_exit = self.should_exit and sig == signal.SIGINT
            self.should_exit = True

    logging.getLogger("uvicorn").setLevel(logging.CRITICAL)
    return Quiet(
        uvicorn.Config(
            application(simulation),
            log_config=None,
            access_log=False,
            date_header=False,
            server_header=False,
            lifespan="off",
            timeout_graceful_shutdown=2,
        )
    )


def serve(
    port: int, simulation: Simulation, *, host: str = "127.0.0.1", ready: Callable[[str], None] | None = None
) -> None:
    """Serve until SIGINT or SIGTERM. `ready` is called with the base URL when the port is open.

    Raises ConfigError when the port is taken.
    """
    with listen(port, host) as door, suppress(KeyboardInterrupt):
        if ready:
            ready(f"http://{host}:{door.getsockname()[1]}")
        server(simulation).run(sockets=[door])
