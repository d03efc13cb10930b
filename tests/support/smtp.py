"""A real SMTP server on loopback that behaves as told."""

from __future__ import annotations

import asyncio
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from pathlib import Path

from aiosmtpd.smtp import SMTP, AuthResult, LoginPassword

PASSWORD = "tr0ub4dor-secret"


@dataclass
class Server:
    """What the server does with the next mails, and the mails it took.

    `recipient` and `data` are its answers to RCPT (by address) and DATA; `drop` closes the connection after it has
    read a whole mail, taking it or not; `hang` never answers DATA; `greeting` 'busy' answers 421 to everything.
    """

    port: int = 0
    recipient: dict[str, str] = field(default_factory=dict)
    sender: str | None = None
    data: str | None = None
    drop: str | None = None  # "taken" or "lost"
    hang: bool = False
    greeting: str | None = None
    taken: list[EmailMessage] = field(default_factory=list)

    async def handle_EHLO(self, _server, session, _envelope, hostname, responses):  # noqa: N802
        session.host_name = hostname
        return ["421 4.3.2 try later"] if self.greeting == "busy" else responses

    async def handle_HELO(self, _server, session, _envelope, hostname):  # noqa: N802
        session.host_name = hostname
        return "421 4.3.2 try later" if self.greeting == "busy" else f"250 {hostname}"

    async def handle_MAIL(self, _server, _session, envelope, address, options):  # noqa: N802
        if self.sender:
            return self.sender
        envelope.mail_from = address
        envelope.mail_options.extend(options)
        return "250 OK"

    async def handle_RCPT(self, _server, _session, envelope, address, options):  # noqa: N802
        if address in self.recipient:
            return self.recipient[address]
        envelope.rcpt_tos.append(address)
        envelope.rcpt_options.extend(options)
        return "250 OK"

    async def handle_DATA(self, server, _session, envelope):  # noqa: N802
        if self.hang:
            await asyncio.sleep(3600)
        if self.drop != "lost" and not self.data:
            self.taken.append(message_from_bytes(envelope.content, policy=default))
        if self.drop:
            server.transport.abort()
        return self.data or "250 taken"


def login(_server, _session, _envelope, _mechanism, given) -> AuthResult:
    right = isinstance(given, LoginPassword) and given.password == PASSWORD.encode()
    return AuthResult(success=right, handled=False)


@contextmanager
def running(
    server: Server, *, tls: ssl.SSLContext | None = None, starttls: bool = False, auth: bool = False
) -> Iterator[Server]:
    """Run the server in a thread, on a free port."""
    loop = asyncio.new_event_loop()
    sock = socket.create_server(("127.0.0.1", 0))
    server.port = sock.getsockname()[1]

    def protocol() -> SMTP:
        return SMTP(
            server,
            hostname="localhost",
            loop=loop,
            tls_context=tls if starttls else None,
            authenticator=login if auth else None,
            auth_required=auth,
            auth_require_tls=starttls,
        )

    async def serve(ready: threading.Event) -> None:
        listening = await loop.create_server(protocol, sock=sock, ssl=None if starttls else tls)
        ready.set()
        try:
            await stop.wait()
        finally:
            listening.close()
            others = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
            for task in others:
                task.cancel()
            await asyncio.gather(*others, return_exceptions=True)

    ready, stop = threading.Event(), asyncio.Event()
    thread = threading.Thread(target=lambda: loop.run_until_complete(serve(ready)))
    thread.start()
    ready.wait(10)
    try:
        yield server
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join(10)
        loop.close()


def closed_port() -> int:
    """Give a port nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as sock:
        return int(sock.getsockname()[1])


def certificate(folder: Path) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """Make a certificate for localhost; give the server's context and a client's that trusts it."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    begin = datetime(2020, 1, 1, tzinfo=UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(begin)
        .not_valid_after(begin + timedelta(days=36500))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem = folder / "localhost.pem"
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    pem.write_bytes(private + made.public_bytes(serialization.Encoding.PEM))
    serving = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    serving.load_cert_chain(pem)
    return serving, ssl.create_default_context(cafile=str(pem))
