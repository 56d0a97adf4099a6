"""How a verb's refusal reads on a terminal."""

from __future__ import annotations

from labeling.actions.errors import ActionError


def refusal(error: ActionError) -> str:
    """`field: message`, on one line."""
    return f"{error.field}: {error.message}" if error.field else error.message
