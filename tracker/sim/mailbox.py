"""A local mail sink: an SMTP server that keeps every mail as a file, and a page that shows them. Loopback only."""

from __future__ import annotations

import asyncio
import email
import os
import signal
import socket
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from email.message import EmailMessage
from email.policy import default
from pathlib import Path
from typing import Any

import uvicorn
from aiosmtpd.smtp import SMTP, Envelope, Session
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import Request
from starlette.responses import FileResponse, HTMLResponse, JSONResponse, Response
from starlette.routing import Route

from tracker.sim.listening import listen

MOST_SHOWN = 200
LARGEST = 5_000_000  # bytes of one mail

_TEMPLATES = Path(__file__).resolve().parent.parent.parent / "resources" / "mail"
_NOTHING_OUTSIDE = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; sandbox allow-popups"


@dataclass(frozen=True, slots=True)
class Mail:
    """A mail as the pages show it."""

    name: str
    subject: str
    sender: str
    recipient: str
    date: str
    message_id: str
    answers: str | None
    text: str
    html: str | None


class Mailbox:
    """The kept mails of one folder, one numbered file each: 00000001.eml is the oldest."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        folder.mkdir(parents=True, exist_ok=True)

    def keep(self, data: bytes) -> str:
        """Write a mail so that it is there whole or not at all; give its name."""
        with tempfile.NamedTemporaryFile(dir=self._folder, prefix=".draft-", delete=False) as draft:
            draft.write(data)
            draft.flush()
            os.fsync(draft.fileno())
        try:
            number = int((self.names() or ["0"])[0])
            while True:
                number += 1
                try:
                    os.link(draft.name, self._folder / f"{number:08}.eml")
                except FileExistsError:
                    continue
                return f"{number:08}"
        finally:
            Path(draft.name).unlink()

    def names(self) -> list[str]:
        """Give the names of the kept mails, newest first."""
        return sorted((path.stem for path in self._folder.glob("[0-9]*.eml")), reverse=True)

    def path(self, name: str) -> Path:
        """Give the file of a mail."""
        return self._folder / f"{name}.eml"

    def read(self, name: str) -> Mail | None:
        """Read one mail, or None if there is none of this name. Never fails on what somebody sent."""
        if not name.isdecimal() or not self.path(name).is_file():
            return None
        message = email.message_from_bytes(self.path(name).read_bytes(), policy=default)
        return Mail(
            name=name,
            subject=_header(message, "Subject") or "(no subject)",
            sender=_header(message, "From"),
            recipient=_header(message, "To"),
            date=_header(message, "Date"),
            message_id=_header(message, "Message-ID"),
            answers=_header(message, "In-Reply-To") or None,
            text=_part(message, "plain") or "",
            html=_part(message, "html"),
        )


def _header(message: EmailMessage, name: str) -> str:
    try:
        return str(message[name] or "")
    except (ValueError, IndexError, AttributeError, TypeError):  # the parser of odd headers gives up in many ways
        return "(unreadable)"


def _part(message: EmailMessage, kind: str) -> str | None:
    part = message.get_body((kind,))
    if part is None:
        return None
    try:
        return str(part.get_content())
    except (LookupError, ValueError, KeyError):  # an unknown charset, broken base64
        return str(part.get_payload())


class _Keeper:
    """Takes every mail for anybody."""

    def __init__(self, mailbox: Mailbox) -> None:
        self._mailbox = mailbox

    async def handle_DATA(self, _server: SMTP, _session: Session, envelope: Envelope) -> str:  # noqa: N802 (aiosmtpd)
        content = envelope.content if isinstance(envelope.content, bytes) else str(envelope.content).encode()
        name = await asyncio.to_thread(self._mailbox.keep, content)
        return f"250 kept as {name}.eml"


class _Pages:
    """What a browser asks for."""

    def __init__(self, mailbox: Mailbox, smtp_port: int) -> None:
        self._mailbox = mailbox
        self._smtp_port = smtp_port
        self._environment = Environment(loader=FileSystemLoader(_TEMPLATES), autoescape=True, undefined=StrictUndefined)

    def index(self, _request: Request) -> Response:
        names = self._mailbox.names()
        mails = self._shown(names)
        copies = [mail.message_id for mail in mails]
        return self._page("mailbox.html", mails=mails, total=len(names), copies=copies, smtp_port=self._smtp_port)

    def mail(self, request: Request) -> Response:
        return self._page("mailbox_mail.html", mail=self._found(request))

    def html(self, request: Request) -> Response:
        return HTMLResponse(self._found(request).html or "", headers={"Content-Security-Policy": _NOTHING_OUTSIDE})

    def raw(self, request: Request) -> Response:
        name = self._found(request).name
        return FileResponse(self._mailbox.path(name), media_type="message/rfc822", filename=f"{name}.eml")

    def listed(self, _request: Request) -> Response:
        told = ("name", "subject", "recipient", "message_id", "answers")
        mails = self._shown(self._mailbox.names())
        return JSONResponse([{key: getattr(mail, key) for key in told} for mail in mails])

    def _shown(self, names: list[str]) -> list[Mail]:
        return [mail for name in names[:MOST_SHOWN] if (mail := self._mailbox.read(name))]

    def _found(self, request: Request) -> Mail:
        mail = self._mailbox.read(request.path_params["name"])
        if mail is None:
            raise HTTPException(404)
        return mail

    def _page(self, template: str, **values: Any) -> HTMLResponse:
        return HTMLResponse(self._environment.get_template(template).render(**values))


def app(mailbox: Mailbox, smtp: socket.socket) -> Starlette:
    """Give the pages; an SMTP server listens on the socket `smtp` as long as they run."""
    pages, keeper = _Pages(mailbox, smtp.getsockname()[1]), _Keeper(mailbox)

    @asynccontextmanager
    async def mails(_app: Starlette) -> AsyncIterator[None]:
        loop = asyncio.get_running_loop()
        async with await loop.create_server(
            lambda: SMTP(keeper, data_size_limit=LARGEST, hostname="localhost", loop=loop), sock=smtp
        ):
            yield

    return Starlette(
        routes=[
            Route("/", pages.index),
            Route("/mails.json", pages.listed),
            Route("/mail/{name}", pages.mail),
            Route("/mail/{name}/html", pages.html),
            Route("/mail/{name}/raw", pages.raw),
        ],
        middleware=[Middleware(TrustedHostMiddleware, allowed_hosts=["127.0.0.1", "localhost"])],
        lifespan=mails,
    )


def serve(smtp_port: int, http_port: int, folder: Path) -> None:
    """Catch mails until SIGINT or SIGTERM; keep them in `folder` as .eml files. Call it from the main thread.

    Raises ConfigError when one of the ports is taken.
    """
    with listen(smtp_port) as smtp, listen(http_port) as http:
        config = uvicorn.Config(
            app(Mailbox(folder), smtp), log_level="warning", lifespan="on", timeout_graceful_shutdown=2
        )
        before = {one: signal.signal(one, lambda *_: None) for one in (signal.SIGINT, signal.SIGTERM)}
        try:
            uvicorn.Server(config).run(sockets=[http])  # stops on both signals, then raises them again for us
        finally:
            for one, handler in before.items():
                signal.signal(one, handler)
