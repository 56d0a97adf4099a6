"""A bad connection: it stands between a client and the server, and spoils requests as it is told."""

from __future__ import annotations

import http.client
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

HOP_HEADERS = {"connection", "transfer-encoding", "content-length", "server", "date"}


@dataclass(frozen=True)
class Seen:
    method: str
    path: str
    headers: dict[str, str]


@dataclass
class Relay:
    """Each request takes the next fault, if there is one; without, it is passed on as it is.

    lost        passed on, but the connection breaks before the answer comes back
    unheard     the connection breaks before the server hears anything
    cut         the answer breaks off in its middle
    flipped     one byte of the answer is another
    429, 503    answered so here; `retry_after` is said, and who comes sooner is counted in `early`
    elsewhere   sent to another address by a redirect
    """

    target: str
    url: str = ""
    faults: deque[str] = field(default_factory=deque)
    seen: list[Seen] = field(default_factory=list)
    retry_after: str = "0"
    elsewhere: str = ""
    early: int = 0
    not_before: float = 0.0
    meanwhile: Callable[[Seen], None] = lambda seen: None
    """What else happens while a request is under way."""

    def spoil(self, *faults: str) -> None:
        self.faults.extend(faults)

    def paths(self) -> list[str]:
        return [request.path for request in self.seen]


@contextmanager
def standing_before(target: str) -> Iterator[Relay]:
    relay = Relay(target)

    class Handler(BaseHTTPRequestHandler):
        def handle_one_request(self) -> None:
            self.raw_requestline = self.rfile.readline(65537)
            if self.raw_requestline and self.parse_request():
                _serve(relay, self)
            self.close_connection = True

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    relay.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield relay
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _serve(relay: Relay, asked: BaseHTTPRequestHandler) -> None:
    body = asked.rfile.read(int(asked.headers.get("Content-Length", 0)))
    relay.seen.append(Seen(asked.command, asked.path, dict(asked.headers)))
    relay.meanwhile(relay.seen[-1])
    relay.early += time.monotonic() < relay.not_before
    fault = relay.faults.popleft() if relay.faults else ""
    if fault == "unheard":
        return
    if fault == "elsewhere":
        asked.send_response(302)
        asked.send_header("Location", relay.elsewhere)
        asked.end_headers()
        return
    if fault.isdecimal():
        relay.not_before = time.monotonic() + (
            float(relay.retry_after) if relay.retry_after.isdecimal() else 0
        )
        asked.send_response(int(fault))
        asked.send_header("Retry-After", relay.retry_after)
        asked.end_headers()
        return
    status, headers, content = _passed_on(relay.target, asked, body)
    if fault == "lost":
        return
    if fault == "flipped":
        content = bytes([content[0] ^ 1]) + content[1:]
    asked.send_response(status)
    for name, value in headers:
        asked.send_header(name, value)
    asked.send_header("Content-Length", str(len(content)))
    asked.end_headers()
    asked.wfile.write(content[: len(content) // 2] if fault == "cut" else content)


def _passed_on(
    target: str, asked: BaseHTTPRequestHandler, body: bytes
) -> tuple[int, list[tuple[str, str]], bytes]:
    connection = http.client.HTTPConnection(urlsplit(target).netloc, timeout=60)
    headers = {name: value for name, value in asked.headers.items() if name.lower() not in HOP_HEADERS}
    connection.request(asked.command, asked.path, body or None, headers)
    answer = connection.getresponse()
    content = answer.read()
    kept = [(name, value) for name, value in answer.getheaders() if name.lower() not in HOP_HEADERS]
    connection.close()
    return answer.status, kept, content
