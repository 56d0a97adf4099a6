"""What a verb may refuse. Doors turn each into an HTTP status or a command's message."""

from __future__ import annotations

from typing import Any


class ActionError(Exception):
    """A refusal that a person can act on."""

    def __init__(self, message: str, *, field: str = "", data: dict[str, Any] | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.field = field
        self.data = data or {}


class BadInput(ActionError):
    """What was sent cannot be taken; `field` names the part (HTTP 400)."""


class KeyReused(ActionError):
    """An idempotency key came again with another body (HTTP 422)."""


class Stale(ActionError):
    """The write rests on an older state than the stored one; `data` carries both (HTTP 409)."""


class NotNow(ActionError):
    """The object's state does not allow this move (HTTP 409)."""
