"""What stands beside the text while somebody writes: the guidelines, and how long good answers are."""

from __future__ import annotations

from typing import Any

from labeling.actions import lengths
from labeling.markdown import markdown
from labeling.models import Guidelines, Membership


def beside(membership: Membership) -> dict[str, Any]:
    """For the template of a page for writing."""
    newest = Guidelines.objects.filter(project=membership.project).order_by("-version").first()
    text = newest.text if newest else membership.project.guidelines
    return {"guidelines": markdown(text), "lengths": lengths.as_json(lengths.guidance(membership.project))}
