"""What keeps a member from working, asked before anything is handed out."""

from __future__ import annotations

from collections.abc import Callable

from labeling.actions import guidelines
from labeling.actions.errors import NotNow
from labeling.models import Membership

HINDRANCES: list[Callable[[Membership], NotNow | None]] = [guidelines.hindrance]
"""Asked in order; the first that has something to say is what the labeler reads. Its data names a `code`."""


def check_admitted(membership: Membership) -> None:
    """Raises NotNow, with what to do about it, if this member may not be given work yet."""
    for hindrance in HINDRANCES:
        if (reason := hindrance(membership)) is not None:
            raise reason
