"""An OpenAI-compatible server as a writer: one request at a time, asked again where that may help.

    POST {url}/chat/completions     {"model", "messages", "n", "seed", "temperature", "top_p", "max_tokens"}
    Authorization: Bearer <key>     where there is a key

Only the address that the operator has named is asked, without a proxy; a redirect is an error. Of an answer
MAX_BYTES are read. The key is in that header and nowhere else: what a server says of it is never repeated.
"""

from __future__ import annotations

import email.utils
import http.client
import json
import random
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import suppress
from dataclasses import dataclass
from itertools import islice
from typing import Any, Literal, TypeVar
from urllib.parse import urlsplit

from training.contracts import ContractError, PromptRow, Server
from training.stage import Unavailable

ATTEMPTS = 7
FIRST_WAIT = 1.0
"""Seconds before the second attempt, less a random part; each wait is twice the one before."""
LONGEST_WAIT = 300.0
"""A server that asks for more patience than this is taken to be away."""
MAX_BYTES = 32 * 2**20
LONGEST_QUOTE = 300
CHOICES_AT_ONCE = 16
"""The most completions of one request: what is lost if it fails."""
TRY_AGAIN = {408, 409, 425, 429}

Asked = TypeVar("Asked")
Given = TypeVar("Given")


@dataclass(frozen=True)
class Usage:
    """What a server read and wrote, by its own count."""

    prompt_tokens: int = 0
    completion_tokens: int = 0
    without_usage: int = 0
    """Answers that came without a count."""

    def plus(self, other: Usage) -> Usage:
        return Usage(
            self.prompt_tokens + other.prompt_tokens,
            self.completion_tokens + other.completion_tokens,
            self.without_usage + other.without_usage,
        )

    def cost(self, server: Server) -> float:
        """In the operator's currency."""
        return (self.prompt_tokens * server.price_in + self.completion_tokens * server.price_out) / 1e6


@dataclass(frozen=True)
class Choice:
    text: str
    finish: Literal["eos", "length", "other"]
    tokens: int | None
    """None where the server counts several choices together."""


class _Trouble(Exception):
    """This attempt failed, and another may not; `wait` is what the server asks for, in seconds."""

    def __init__(self, what: str, wait: float | None = None) -> None:
        super().__init__(what)
        self.wait = wait


class Client:
    """Asks one server; may be used from several threads."""

    def __init__(self, server: Server, key: str) -> None:
        """Raises ContractError if the server's settings cannot be meant, or the key cannot be sent."""
        try:
            address = urlsplit(server.url)
            sound = address.scheme in ("http", "https") and address.hostname and address.port != 0
        except ValueError:
            sound = False
        if not sound or address.query or not server.url.isascii():
            raise ContractError("settings.server.url: wanted is an address like https://host/v1")
        if address.username is not None or address.password is not None:
            raise ContractError("settings.server.url: holds a name or password; the key is given apart")
        if not server.model:
            raise ContractError("settings.server.model: wanted")
        if not all("!" <= letter <= "~" for letter in key):
            raise ContractError(f"server {server.name}: its key has a letter that no key has")
        self.server, self._key, self._address = server, key, address
        self._target = address.path.rstrip("/") + "/chat/completions"
        self._gone = threading.Event()

    def stop(self) -> None:
        """No request is begun or waited for again; those under way may end."""
        self._gone.set()

    def complete(
        self, prompt: PromptRow, *, n: int, seed: int, temperature: float, top_p: float, limit: int
    ) -> tuple[list[Choice], Usage]:
        """At least one and at most `n` answers to a prompt, of at most `limit` tokens each.

        Raises ContractError if the server refuses what is asked, Unavailable if it is not there for long.
        """
        body = json.dumps({
            "model": self.server.model,
            "messages": [{"role": message.role, "content": message.content} for message in prompt.messages],
            "n": n, "seed": seed, "temperature": temperature, "top_p": top_p, "max_tokens": limit,
        }).encode()  # fmt: skip
        for attempt in range(ATTEMPTS):
            try:
                return _answer(self._post(body, prompt.prompt), n)
            except _Trouble as trouble:
                last = str(trouble)
                pause = trouble.wait
            if pause is None:
                pause = FIRST_WAIT * 2**attempt * random.uniform(0.5, 1)
            if attempt + 1 == ATTEMPTS or pause > LONGEST_WAIT or self._gone.wait(pause):
                break
        raise Unavailable(f"server {self.server.name}: {last}")

    def _post(self, body: bytes, prompt: str) -> bytes:
        """The body of a good answer. Raises ContractError, _Trouble."""
        try:
            status, headers, answer = self._exchange(body)
        except TimeoutError:
            raise _Trouble(f"no answer within {self.server.timeout_seconds:g} seconds") from None
        except ssl.SSLCertVerificationError as error:
            raise ContractError(f"server {self.server.name}: its certificate is not valid") from error
        except (http.client.HTTPException, OSError) as error:
            raise _Trouble(f"the connection failed ({type(error).__name__})") from error
        if status == 200:
            if len(answer) > MAX_BYTES:
                raise _Trouble(f"the answer is longer than {MAX_BYTES} bytes")
            return answer
        if status in TRY_AGAIN or status >= 500:
            raise _Trouble(f"status {status}", _patience(headers.get("Retry-After")))
        raise ContractError(f"server {self.server.name}: {self._refusal(status, answer)} (prompt {prompt})")

    def _exchange(self, body: bytes) -> tuple[int, http.client.HTTPMessage, bytes]:
        """Raises OSError (TimeoutError where it takes too long as a whole), HTTPException."""
        https = self._address.scheme == "https"
        kind = http.client.HTTPSConnection if https else http.client.HTTPConnection
        assert self._address.hostname is not None
        limit = self.server.timeout_seconds
        connection = kind(self._address.hostname, self._address.port, timeout=limit)
        late, timer = threading.Event(), None
        try:
            connection.connect()
            wire = connection.sock

            def cut() -> None:
                # A socket's own timeout begins anew with every byte: a server that drips would never be late.
                late.set()
                with suppress(OSError):
                    # Not TLS's own shutdown, which another thread must not call.
                    socket.socket.shutdown(wire, socket.SHUT_RDWR)

            timer = threading.Timer(limit, cut)
            timer.daemon = True
            timer.start()
            headers = {"Content-Type": "application/json", "User-Agent": "Rankloop"}
            if self._key:
                headers["Authorization"] = f"Bearer {self._key}"
            connection.request("POST", self._target, body, headers)
            response = connection.getresponse()
            answer = response.read(MAX_BYTES + 1)
        except (OSError, http.client.HTTPException) as error:
            if late.is_set():
                raise TimeoutError from error
            raise
        finally:
            if timer is not None:
                timer.cancel()
            connection.close()
        if late.is_set():
            raise TimeoutError
        return response.status, response.headers, answer

    def _refusal(self, status: int, answer: bytes) -> str:
        if 300 <= status < 400:
            return f"answers with a redirect ({status}), which is not followed: name the address it leads to"
        if status in (401, 403):
            return f"refuses the key ({status})"
        said = _said(answer)
        if self._key:
            said = said.replace(self._key, "…")
        said = said[:LONGEST_QUOTE]
        where = f": nothing at {self._target}, or no model {self.server.model}" if status == 404 else ""
        return f"refuses the request ({status}){where}" + (f": {said}" if said else "")


def ask_all(
    client: Client, asked: Iterable[Asked], ask: Callable[[Asked], tuple[Given, list[Asked]]]
) -> Iterator[Given]:
    """Ask, several at once, and yield what is given as it arrives.

    `ask` also says what to ask next, before anything new. After an error nothing is begun; what was under way
    is still yielded, for it may have been paid, and then the error is raised.
    """
    fresh, next_up = iter(asked), list[Asked]()
    running: set[Future[tuple[Given, list[Asked]]]] = set()
    failed: ContractError | Unavailable | None = None
    with ThreadPoolExecutor(client.server.parallel) as pool:
        try:
            while True:
                while failed is None and len(running) < client.server.parallel:
                    some = [next_up.pop()] if next_up else list(islice(fresh, 1))
                    if not some:
                        break
                    running.add(pool.submit(ask, some[0]))
                if not running:
                    break
                done, running = wait(running, return_when=FIRST_COMPLETED)
                for future in done:
                    try:
                        given, more = future.result()
                    except (ContractError, Unavailable) as error:
                        failed = failed or error
                        client.stop()
                    else:
                        next_up += more
                        yield given
        finally:
            client.stop()
    if failed is not None:
        raise failed


def _answer(body: bytes, n: int) -> tuple[list[Choice], Usage]:
    """Raises _Trouble if the body is not what the protocol promises."""
    try:
        data = json.loads(body)
        choices = [_choice(entry) for entry in data["choices"]][:n]
    except (ValueError, RecursionError, LookupError, TypeError) as error:
        raise _Trouble("the answer is not a chat completion") from error
    if not choices:
        raise _Trouble("the answer has no choices")
    counts = [_count(data.get("usage"), name) for name in ("prompt_tokens", "completion_tokens")]
    if counts[0] is None or counts[1] is None:
        return choices, Usage(without_usage=1)
    if len(choices) == 1:
        choices = [Choice(choices[0].text, choices[0].finish, counts[1])]
    return choices, Usage(counts[0], counts[1])


def _choice(entry: Any) -> Choice:
    text = entry["message"]["content"]
    if text is None:
        text = ""
    if not isinstance(text, str):
        raise TypeError
    reason = entry.get("finish_reason")
    finish: Literal["eos", "length", "other"] = (
        "eos" if reason == "stop" else "length" if reason == "length" else "other"
    )
    # Half a surrogate pair is JSON, but no text that can be written down.
    return Choice(text.encode("utf-8", "replace").decode(), finish, None)


def _count(usage: Any, name: str) -> int | None:
    value = usage.get(name) if isinstance(usage, dict) else None
    return value if isinstance(value, int) and value >= 0 else None


def _patience(header: str | None) -> float | None:
    """Seconds of a Retry-After header, which has a number or a date; None without a readable one."""
    if header is None:
        return None
    if header.strip().isdecimal():
        return float(header)
    try:
        return max(0.0, email.utils.parsedate_to_datetime(header).timestamp() - time.time())
    except ValueError:
        return None


def _said(answer: bytes) -> str:
    """The server's own words for a refusal, in a line."""
    try:
        data = json.loads(answer)
        error = data.get("error", data)
        said = error if isinstance(error, str) else error.get("message") or error.get("detail")
    except (ValueError, RecursionError, AttributeError):
        said = None
    return " ".join(said.split()) if isinstance(said, str) else ""
