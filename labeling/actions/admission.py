"""What keeps a member from working, asked before anything is handed out."""

from __future__ import annotations

from collections.abc import Callable

from django.utils.translation import gettext as _

from labeling.actions import guidelines
from labeling.actions.errors import NotNow
from labeling.models import Membership, Onboarding

QUALIFIED = (Onboarding.PASSED, Onboarding.WAIVED)


def is_qualified(membership: Membership) -> bool:
    """Whether onboarding is behind this member, or none was asked of them."""
    return membership.onboarding in QUALIFIED


def onboarding(membership: Membership) -> NotNow | None:
    """What is still to be done before the queue opens; `code` is the stage (actions/onboarding.py)."""
    said = {
        Onboarding.TUTORIAL: _("Begin with the tutorial: a few items with the answers explained."),
        Onboarding.TEST: _("Take the test first; then the work opens to you."),
        Onboarding.REVIEW: _("A reviewer is reading what you wrote in the test."),
        Onboarding.FAILED: _("The test did not open the work to you. A lead can give you another try."),
    }
    reason = said.get(Onboarding(membership.onboarding))
    return NotNow(reason, data={"code": str(membership.onboarding)}) if reason else None


HINDRANCES: list[Callable[[Membership], NotNow | None]] = [guidelines.hindrance, onboarding]
"""Asked in order; the first that has something to say is what the labeler reads. Its data names a `code`."""


def check_admitted(membership: Membership) -> None:
    """Raises NotNow, with what to do about it, if this member may not be given work yet."""
    for hindrance in HINDRANCES:
        if (reason := hindrance(membership)) is not None:
            raise reason


def check_may_begin(membership: Membership) -> None:
    """Raises NotNow if something besides onboarding keeps this member even from that."""
    for hindrance in HINDRANCES:
        if hindrance is not onboarding and (reason := hindrance(membership)) is not None:
            raise reason
