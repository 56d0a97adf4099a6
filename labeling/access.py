"""Fetch this object for this user, or 404. doors.py calls these; nothing is looked up in another way.

An object of a project that the user is no member of does not exist for them; one that needs a higher
role is refused with 403, since they know that the project exists.
"""

from __future__ import annotations

from typing import Any, TypeVar

from allauth.mfa.models import Authenticator
from django.core.exceptions import PermissionDenied
from django.db import models
from django.http import Http404
from django.utils.translation import gettext as _

from labeling.models import (
    ApiToken,
    Assignment,
    DatasetVersion,
    Demonstration,
    Invitation,
    Membership,
    ModelVersion,
    Project,
    Prompt,
    Ranking,
    Role,
    Round,
    Run,
    User,
)

Found = TypeVar("Found", bound=models.Model)


def membership(user: User, project: str, role: Role) -> Membership:
    """The user's active membership of the project with this public id. Raises Http404, PermissionDenied."""
    found = _first(
        Membership.objects.select_related("project", "user").filter(
            project__public_id=project, user_id=user.pk, is_active=True
        )
    )
    if not found.may(role):
        raise PermissionDenied(_("Your role in this project does not allow this."))
    return found


def assignment(user: User, token: Any) -> Assignment:
    """The user's own assignment. Raises Http404."""
    return _first(Assignment.objects.select_related("labeler").filter(token=token, labeler_id=user.pk))


def own_ranking(user: User, public_id: str) -> Ranking:
    """A ranking that the user gave. Raises Http404."""
    given = Ranking.objects.select_related("item", "assignment")
    return _first(given.filter(public_id=public_id, labeler_id=user.pk))


def own_demonstration(user: User, public_id: str) -> Demonstration:
    """A demonstration that the user wrote. Raises Http404."""
    given = Demonstration.objects.select_related("item", "assignment")
    return _first(given.filter(public_id=public_id, labeler_id=user.pk))


def own_token(user: User, public_id: str) -> ApiToken:
    """A token of the user's. Raises Http404."""
    return _first(ApiToken.objects.select_related("user").filter(public_id=public_id, user_id=user.pk))


# These are found for anyone: the door asks next for a membership in their project.


def prompt(public_id: str) -> Prompt:
    return _first(Prompt.objects.select_related("project").filter(public_id=public_id))


def ranking(public_id: str) -> Ranking:
    return _first(Ranking.objects.select_related("project").filter(public_id=public_id))


def demonstration(public_id: str) -> Demonstration:
    return _first(Demonstration.objects.select_related("project").filter(public_id=public_id))


def dataset(public_id: str) -> DatasetVersion:
    return _first(DatasetVersion.objects.select_related("project").filter(public_id=public_id))


def model(public_id: str) -> ModelVersion:
    return _first(ModelVersion.objects.select_related("project").filter(public_id=public_id))


def run(public_id: str) -> Run:
    return _first(Run.objects.select_related("project", "round").filter(public_id=public_id))


def round_(public_id: str) -> Round:
    return _first(Round.objects.select_related("project").filter(public_id=public_id))


def invitation(public_id: str) -> Invitation:
    return _first(Invitation.objects.select_related("project").filter(public_id=public_id))


def member(project: Project, person: str) -> Membership | None:
    """A person's membership, ended or not, for a lead of the project."""
    if "\x00" in person:
        return None
    found = Membership.objects.select_related("project", "user")
    return found.filter(project=project, user__public_id=person).first()


def has_second_factor(user: User) -> bool:
    """Whether signing in to this account takes more than a password. Recovery codes are no factor alone."""
    factors = Authenticator.objects.filter(user=user)
    return bool(factors.exclude(type=Authenticator.Type.RECOVERY_CODES).exists())


def projects(user: User) -> list[Membership]:
    """The user's active memberships, by project name."""
    return list(
        Membership.objects.select_related("project", "user")
        .filter(user=user, is_active=True)
        .order_by("project__name")
    )


def _first(rows: models.QuerySet[Found]) -> Found:
    """One message for what is not there and what is not theirs."""
    found = rows.first()
    if found is None:
        raise Http404(_("There is nothing here, or it is not yours to see."))
    return found
