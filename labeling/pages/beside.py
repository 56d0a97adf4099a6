"""What stands beside the text while somebody writes: the guidelines, and how long good answers are."""

from __future__ import annotations

from typing import Any

from labeling.actions import guidelines, lengths
from labeling.markdown import markdown
from labeling.models import Membership


def beside(membership: Membership) -> dict[str, Any]:
    """For the template of a page for writing."""
    newest = guidelines.latest(membership.project)
    return {
        "guidelines": markdown(newest.text if newest else ""),
        "lengths": lengths.as_json(lengths.guidance(membership.project)),
    }
