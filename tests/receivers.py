"""Receivers of webhooks: real HTTP servers in threads of the tests, named as an operator would."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

SECRET = "a secret of the tests, which nobody else has"
Handler = BaseHTTPRequestHandler


@dataclass(frozen=True)
class Got:
    """One request as it arrived."""

    path: str
    headers: Any
    body: bytes

    @property
    def message(self) -> dict[str, Any]:
        return json.loads(self.body)


@dataclass
class Receiver:
    """`answer` is how it answers a request that it has read; `up` and `down` start and end its server."""

    id: str
    answer: Callable[[Handler], None]
    port: int = 0
    got: list[Got] = field(default_factory=list)
    server: ThreadingHTTPServer | None = None

    @property
    def named(self) -> dict[str, str]:
        """What the operator's settings say of it."""
        url = f"http://127.0.0.1:{self.port}/hook?from=rankloop"
        return {"id": self.id, "name": f"The {self.id}", "url": url, "secret": SECRET}

    @property
    def events(self) -> list[str]:
        return [got.message["event"] for got in self.got]

    def up(self) -> None:
        receiver = self

        class Answering(Handler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                receiver.got.append(Got(self.path, self.headers, body))
                receiver.answer(self)

            def log_message(self, *arguments: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", self.port), Answering)
        self.port = self.server.server_port
        threading.Thread(target=self.server.serve_forever, args=(0.01,), daemon=True).start()

    def down(self) -> None:
        if self.server is not None:
            self.server.shutdown()
            self.server.server_close()
            self.server = None


def status(*codes: int) -> Callable[[Handler], None]:
    """Answer with these, one after another, and with the last for ever."""
    left = list(codes)

    def answer(handler: Handler) -> None:
        handler.send_response(left.pop(0) if len(left) > 1 else left[0])
        handler.end_headers()

    return answer


@pytest.fixture
def listen(settings: Any) -> Iterator[Callable[..., Receiver]]:
    """Start a receiver that the operator has named."""
    settings.WEBHOOKS, started = [], []

    def start(id: str = "lab", answer: Callable[[Handler], None] | None = None) -> Receiver:
        receiver = Receiver(id, answer or status(200))
        receiver.up()
        started.append(receiver)
        settings.WEBHOOKS = [*settings.WEBHOOKS, receiver.named]
        return receiver

    yield start
    for receiver in started:
        receiver.down()
