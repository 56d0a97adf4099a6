"""Fetch this object for this user, or 404: no door looks anything up in another way.

An object of a project that the user is no member of does not exist for them; one that needs a higher
role is refused with 403, since they know that the project exists.
"""

from __future__ import annotations

from typing import Any, TypeVar

from django.core.exceptions import PermissionDenied
from django.http import Http404
from django.utils.translation import gettext as _

from labeling.models import (
    Assignment,
    DatasetVersion,
    Demonstration,
    Membership,
    Ranking,
    Role,
    Round,
    Run,
    User,
)


def membership(user: User, project: str, role: Role = Role.LABELER) -> Membership:
    """The user's active membership of the project with this public id. Raises Http404, PermissionDenied."""
    found = (
        Membership.objects.select_related("project", "user")
        .filter(project__public_id=project, user_id=user.pk, is_active=True)
        .first()
    )
    if found is None:
        raise Http404(_("There is no such project, or you are no member of it."))
    if not found.may(role):
        raise PermissionDenied(_("Your role in this project does not allow this."))
    return found


def assignment(user: User, token: Any, kind: str | None = None) -> Assignment:
    """The user's own assignment, of this kind if one is given. Raises Http404."""
    found = Assignment.objects.select_related("labeler").filter(token=token, labeler_id=user.pk).first()
    if found is None or kind not in (None, found.kind):
        raise Http404(_("There is no such assignment of yours."))
    return found


Given = TypeVar("Given", Ranking, Demonstration)


def own_answer(user: User, kind: type[Given], public_id: str) -> Given:
    """A ranking or demonstration that the user gave. Raises Http404."""
    found = (
        kind._default_manager.select_related("item", "assignment")
        .filter(public_id=public_id, labeler_id=user.pk)
        .first()
    )
    if found is None:
        raise Http404(_("There is no such answer of yours."))
    return found


def run(user: User, public_id: str, role: Role = Role.LEAD) -> Run:
    """A run of a project that the user leads. Raises Http404, PermissionDenied."""
    found = Run.objects.select_related("project", "round").filter(public_id=public_id).first()
    return _of_project(user, found, role)


def round_(user: User, public_id: str, role: Role = Role.LEAD) -> Round:
    """A round of a project that the user leads. Raises Http404, PermissionDenied."""
    found = Round.objects.select_related("project").filter(public_id=public_id).first()
    return _of_project(user, found, role)


def dataset(user: User, public_id: str, role: Role = Role.LEAD) -> DatasetVersion:
    """A dataset version of a project that the user leads. Raises Http404, PermissionDenied."""
    found = DatasetVersion.objects.select_related("project").filter(public_id=public_id).first()
    return _of_project(user, found, role)


Found = TypeVar("Found", Run, Round, DatasetVersion)


def _of_project(user: User, found: Found | None, role: Role) -> Found:
    if found is None:
        raise Http404
    membership(user, found.project.public_id, role)
    return found


def projects(user: User) -> list[Membership]:
    """The user's active memberships, by project name."""
    return list(
        Membership.objects.select_related("project")
        .filter(user=user, is_active=True)
        .order_by("project__name")
    )
