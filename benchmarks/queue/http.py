"""HTTP over one kept connection, as little of it as a labeler needs: what is measured is the server."""

from __future__ import annotations

import gzip
import json
import re
import socket
import uuid
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode, urlsplit

TIMEOUT_SECONDS = 120
COOKIE = re.compile(r"^set-cookie: ([^=]+)=([^;]*)", re.IGNORECASE | re.MULTILINE)
ZIPPED = re.compile(r"^content-encoding: gzip", re.IGNORECASE | re.MULTILINE)
LENGTH = re.compile(r"^content-length: (\d+)", re.IGNORECASE | re.MULTILINE)


class Refused(Exception):
    """The server answered something that the benchmark does not expect."""


@dataclass
class Browser:
    """One signed-in labeler. Raises Refused for an unexpected status, OSError for a lost connection."""

    address: str
    cookies: dict[str, str] = field(default_factory=dict)
    socket: socket.socket | None = None

    def sign_in(self, username: str, password: str) -> None:
        """Through the sign-in page, like anyone else."""
        self._exchange("GET", "/sign-in/", b"", "", 200)
        form = {"username": username, "password": password, "csrfmiddlewaretoken": self._csrf()}
        kind = "Content-Type: application/x-www-form-urlencoded\r\n"
        self._exchange("POST", "/sign-in/", urlencode(form).encode(), kind, 302)

    def send(self, path: str, body: dict[str, Any], *, wanted: int = 200, method: str = "POST") -> Any:
        """A call of the API with JSON both ways."""
        headers = (
            f"Content-Type: application/json\r\nX-CSRFToken: {self._csrf()}\r\n"
            f"Idempotency-Key: {uuid.uuid4().hex}\r\n"
        )
        answer = self._exchange(method, f"/api/{path}", json.dumps(body).encode(), headers, wanted)
        return json.loads(answer) if answer else None

    def close(self) -> None:
        if self.socket is not None:
            self.socket.close()
            self.socket = None

    def _csrf(self) -> str:
        return next(value for name, value in self.cookies.items() if name.endswith("_csrf"))

    def _exchange(self, method: str, path: str, body: bytes, headers: str, wanted: int) -> bytes:
        place = urlsplit(self.address)
        if self.socket is None:
            self.socket = socket.create_connection((place.hostname, place.port), TIMEOUT_SECONDS)
            self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        cookies = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        head = (
            f"{method} {path} HTTP/1.1\r\nHost: {place.netloc}\r\nAccept: */*\r\nAccept-Encoding: gzip\r\n"
            f"Accept-Language: en-GB,en;q=0.8\r\nCookie: {cookies}\r\n"
            f"Content-Length: {len(body)}\r\n{headers}\r\n"
        )
        self.socket.sendall(head.encode("ascii") + body)
        status, head, answer = self._receive()
        if status != wanted:
            raise Refused(f"{method} {path}: {status} {answer[:500]!r}")
        self.cookies |= dict(COOKIE.findall(head))
        return answer

    def _receive(self) -> tuple[int, str, bytes]:
        assert self.socket is not None
        received = b""
        while (end := received.find(b"\r\n\r\n")) < 0:
            received += self._more()
        head = received[:end].decode("latin-1")
        found = LENGTH.search(head)
        if found is None and " 204 " not in head.split("\r\n", 1)[0]:
            raise Refused(f"an answer without a length: {head}")
        length = int(found[1]) if found else 0
        answer = received[end + 4 :]
        while len(answer) < length:
            answer += self._more()
        if ZIPPED.search(head):
            answer = gzip.decompress(answer)
        return int(head.split(" ", 2)[1]), head, answer

    def _more(self) -> bytes:
        assert self.socket is not None
        part = self.socket.recv(65536)
        if not part:
            raise Refused("the server closed the connection")
        return part
