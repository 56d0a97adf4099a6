"""One server over HTTP: who asks, what is asked again and for how long, and what a refusal becomes."""

from __future__ import annotations

import random
import re
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from ipaddress import ip_address
from typing import Any, TypeVar
from urllib.parse import urlsplit

import requests
from requests.auth import AuthBase
from urllib3.exceptions import NewConnectionError

from rankloop_client.errors import BY_STATUS, BadToken, MaybeDone, RankloopError, Unavailable, Unexpected
from rankloop_client.operations import Listing, Operation
from rankloop_client.reading import read

Given = TypeVar("Given")

BUSY = {429, 502, 503, 504}
LOST = (
    requests.ConnectionError,
    requests.Timeout,
    requests.exceptions.ChunkedEncodingError,
    requests.exceptions.ContentDecodingError,
)
"""There is no telling whether the server has done what it was asked."""
ID = re.compile(r"[A-Za-z0-9-]+")
CSRF_COOKIE_END = "_csrf"


@dataclass(frozen=True)
class Retries:
    """A request is tried for `total` seconds, with pauses that double from `first` to `longest`.

    `total=0` tries once.
    """

    total: float = 120.0
    first: float = 0.5
    longest: float = 15.0

    def pause(self, tries: int) -> float:
        """Seconds, drawn so that clients that were cut off together do not come back together."""
        return random.uniform(0.5, 1) * min(self.longest, self.first * 2.0 ** min(tries, 30))


class ByToken(AuthBase):
    """A personal token. Having an `auth` at all keeps requests from looking for one in ~/.netrc."""

    def __init__(self, token: str) -> None:
        self.token = token

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        request.headers["Authorization"] = f"Bearer {self.token}"
        return request


class BySession(AuthBase):
    """The pages' session: its cookies are kept by requests, and its CSRF token goes along."""

    def __init__(self, session: requests.Session, origin: str) -> None:
        self.cookies, self.origin = session.cookies, origin

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        request.headers["Referer"] = f"{self.origin}/"
        for name, value in self.cookies.items():
            if name.endswith(CSRF_COOKIE_END):
                request.headers["X-CSRFToken"] = value
        return request


class Server:
    """Calls operations of the API. Redirects are never followed: a token goes to its own server only."""

    def __init__(
        self,
        address: str,
        token: str | None,
        *,
        retries: Retries,
        timeout: float,
        page_size: int,
        insecure: bool,
    ) -> None:
        self.address = address.rstrip("/")
        if not insecure:
            _check_address(self.address)
        self.retries, self.timeout, self.page_size = retries, timeout, page_size
        self.session = requests.Session()
        self.session.headers["User-Agent"] = "rankloop-client"
        self.session.auth = ByToken(token) if token is not None else BySession(self.session, self.address)

    def sign_in(self, username: str, password: str) -> None:
        """Through the sign-in page, and not twice: there, tries are counted. Raises BadToken."""
        self.exchange("GET", "/sign-in/", check)
        form = {"username": username, "password": password}
        went_on = self.exchange(
            "POST", "/sign-in/", lambda answer: answer.is_redirect, repeatable=False, data=form
        )
        if not went_on:  # the form again, with a reason
            raise BadToken(f"{username} could not sign in at {self.address}")

    def call(
        self,
        operation: Operation[Given],
        names: Mapping[str, str] | None = None,
        *,
        query: Mapping[str, Any] | None = None,
        body: Mapping[str, Any] | None = None,
        key: str | None = None,
    ) -> Given:
        """Call an operation. `names` are the ids in its address; the key is kept over all tries."""
        headers = {"Idempotency-Key": key or uuid.uuid4().hex} if operation.keyed else {}
        return self.exchange(
            operation.method,
            path_of(operation.path, names or {}),
            lambda answer: read(operation.gives, _json(answer)),
            repeatable=operation.repeatable,
            params=query,
            json=body,
            headers=headers,
        )

    def pages(self, listing: Listing[Given], names: Mapping[str, str], **filters: Any) -> Iterator[Given]:
        """Every entry of a list, newest first; the next page is asked for when it is needed."""
        path = path_of(listing.path, names)
        query = {"limit": self.page_size, **filters}
        while True:
            page = self.exchange("GET", path, _json, params=query)
            if not isinstance(page, dict) or not isinstance(page.get("results"), list) or "next" not in page:
                raise Unexpected(f"GET {path} gave no page of a list")
            for entry in page["results"]:
                yield read(listing.gives, entry)
            if page["next"] is None:
                return
            query["after"] = page["next"]

    def exchange(
        self,
        method: str,
        path: str,
        taken: Callable[[requests.Response], Given],
        *,
        repeatable: bool = True,
        **request: Any,
    ) -> Given:
        """What `taken` makes of the answer. The request is sent again while there is none, if that is safe.

        Raises Unavailable when time is up, and MaybeDone where nobody knows whether it was done.
        """
        started, tries = time.monotonic(), 0
        while True:
            try:
                with self.session.request(
                    method, self.address + path, timeout=self.timeout, allow_redirects=False, **request
                ) as answer:
                    if answer.status_code not in BUSY:
                        return taken(answer)
                    failure = refusal(answer)
                    pause = max(self.retries.pause(tries), _retry_after(answer))
                    is_untouched = answer.status_code == 429
            except LOST as error:
                failure = Unavailable(f"{method} {path}: {error}")
                pause = self.retries.pause(tries)
                is_untouched = _never_connected(error)
            if not repeatable and not is_untouched:
                raise MaybeDone(failure.message, status=failure.status, code=failure.code) from failure
            if time.monotonic() - started + pause > self.retries.total:
                raise failure
            time.sleep(pause)
            tries += 1


def path_of(path: str, names: Mapping[str, str]) -> str:
    """The path with its ids. Raises ValueError for what can be none: it could lead to another address."""
    for name in names.values():
        if not ID.fullmatch(name):
            raise ValueError(f"{name!r} is no id")
    return "/api/" + path.format(**names)


def check(answer: requests.Response) -> requests.Response:
    """The answer, if it is one. Raises the RankloopError of its status."""
    if not 200 <= answer.status_code < 300:
        raise refusal(answer)
    return answer


def refusal(answer: requests.Response) -> RankloopError:
    """The error that an answer tells of; a proxy's may have another shape than the API's."""
    status = answer.status_code
    if answer.is_redirect:
        there = answer.headers["Location"]
        return Unexpected(f"{answer.url} leads to {there}: give the client that address", status=status)
    kind = BY_STATUS.get(status, RankloopError)
    try:
        told = answer.json()
        error = told.pop("error")
        return kind(error["message"], status=status, code=error["code"], field=error["field"], more=told)
    except (ValueError, KeyError, TypeError, AttributeError):
        return kind(f"{answer.request.method} {answer.url}: {answer.reason}", status=status)


def _json(answer: requests.Response) -> Any:
    check(answer)
    if answer.status_code == requests.codes.no_content:
        return None
    try:
        return answer.json()
    except requests.JSONDecodeError:
        raise Unexpected(f"{answer.url} gave no JSON", status=answer.status_code) from None


def _retry_after(answer: requests.Response) -> float:
    """Seconds that the server asks for, given as such or as a date; 0 where it says nothing of use."""
    told = answer.headers.get("Retry-After", "")
    if told.isdecimal():
        return float(told)
    try:
        return max(0.0, parsedate_to_datetime(told).timestamp() - time.time())
    except ValueError:
        return 0.0


def _never_connected(error: requests.RequestException) -> bool:
    reason = getattr(error.args[0], "reason", None) if error.args else None
    return isinstance(error, requests.ConnectTimeout) or isinstance(reason, NewConnectionError)


def _check_address(address: str) -> None:
    """Raises ValueError where a token would travel in the clear."""
    parts = urlsplit(address)
    if parts.scheme == "https" and parts.hostname:
        return
    if parts.scheme != "http" or not parts.hostname:
        raise ValueError(f"{address!r} is no address: https://rank.example.org is one")
    if parts.hostname != "localhost" and not _is_loopback(parts.hostname):
        raise ValueError(f"{address} would send your token in the clear; insecure=True allows it")


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False
