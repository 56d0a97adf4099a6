"""What can go wrong. Everything that the client raises of its own is a RankloopError."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


class RankloopError(Exception):
    """The server's refusal, in its own words: `message` is for people, `code` for programs, `field` says what
    it is about. `status` is HTTP's, or 0 where there was no answer; `more` is what else the answer held.
    """

    def __init__(
        self,
        message: str,
        *,
        status: int = 0,
        code: str = "",
        field: str = "",
        more: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.status = status
        self.code = code
        self.field = field
        self.more = dict(more or {})

    def __str__(self) -> str:
        about = f"{self.field}: " if self.field else ""
        return f"{self.status} {about}{self.message}" if self.status else f"{about}{self.message}"


class BadRequest(RankloopError):
    """What was sent cannot be taken (400, 413, 415)."""


class BadToken(RankloopError):
    """Nobody is let in with this token, or with this name and password (401)."""


class NotAllowed(RankloopError):
    """One is let in, but may not do this (403)."""


class NotFound(RankloopError):
    """There is no such thing, or it is not for who asked (404)."""


class Conflict(RankloopError):
    """The state of things does not allow it now (409). `more` may hold the `stored` answer or `draft`."""


class KeyReused(RankloopError):
    """An idempotency key came again with another answer (422)."""


class Unavailable(RankloopError):
    """No answer, or none but “not now” (429, 502, 503, 504), for as long as the client tries.

    Whatever was asked may be asked again: doing it twice is the same as doing it once.
    """


class MaybeDone(Unavailable):
    """As Unavailable, but this must not be asked twice: look first whether it was done."""


class TookTooLong(RankloopError):
    """What was waited for did not come in time."""


class Unexpected(RankloopError):
    """The answer is not what the API's description says. Is the address right, and the client new enough?"""


class Damaged(RankloopError):
    """A download is not what was frozen."""


BY_STATUS: dict[int, type[RankloopError]] = {
    400: BadRequest,
    401: BadToken,
    403: NotAllowed,
    404: NotFound,
    409: Conflict,
    413: BadRequest,
    415: BadRequest,
    422: KeyReused,
    429: Unavailable,
    502: Unavailable,
    503: Unavailable,
    504: Unavailable,
}
