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

from labeling.actions import prepared
from labeling.models import (
    ApiToken,
    Assignment,
    Demonstration,
    Membership,
    Project,
    Ranking,
    Return,
    Review,
    Role,
    User,
    WrittenPrompt,
)

Found = TypeVar("Found", bound=models.Model)
Thing = TypeVar("Thing")


MEMBERSHIP = f"""
SELECT {prepared.columns(Membership, "member")}, {prepared.columns(Project, "project")}
FROM labeling_project project JOIN labeling_membership member ON member.project_id = project.id
WHERE project.public_id = %(project)s AND member.user_id = %(user)s AND member.is_active
"""  # noqa: S608 - constants of our own
ASSIGNMENT = f"""
SELECT {prepared.columns(Assignment, "given")} FROM labeling_assignment given
JOIN labeling_membership member ON member.project_id = given.project_id AND member.user_id = given.labeler_id
WHERE given.token = %(token)s AND given.labeler_id = %(user)s AND member.is_active
"""  # noqa: S608


def membership(user: User, project: str, role: Role) -> Membership:
    """The user's active membership of the project with this public id. Raises Http404, PermissionDenied."""
    values = _there(prepared.row(MEMBERSHIP, {"project": project, "user": user.pk}))
    split = len(Membership._meta.concrete_fields)
    found = prepared.load(Membership, values[:split])
    found.project, found.user = prepared.load(Project, values[split:]), user
    if not found.may(role):
        raise PermissionDenied(_("Your role in this project does not allow this."))
    return found


def assignment(user: User, token: Any) -> Assignment:
    """The user's own assignment, while they are a member of its project. Raises Http404."""
    values = _there(prepared.row(ASSIGNMENT, {"token": token, "user": user.pk}))
    found = prepared.load(Assignment, values)
    found.labeler = user
    return found


Given = TypeVar("Given", Ranking, Demonstration, WrittenPrompt, Review)


def own_answer(kind: type[Given], user: User, public_id: str) -> Given:
    """What the user gave, an answer of this kind, while they are a member. Raises Http404."""
    given = kind._default_manager.select_related("item", "assignment").filter(labeler_id=user.pk)
    member = {"project__memberships__user": user, "project__memberships__is_active": True}
    return _first(given.filter(public_id=public_id, **member))


def own_return(user: User, public_id: str) -> Return:
    """An answer of the user's that was sent back to them, while they are a member. Raises Http404."""
    sent = Return.objects.select_related("project").filter(labeler_id=user.pk, public_id=public_id)
    return _first(sent.filter(project__memberships__user=user, project__memberships__is_active=True))


def own_token(user: User, public_id: str) -> ApiToken:
    """A token of the user's. Raises Http404."""
    return _first(ApiToken.objects.select_related("user").filter(public_id=public_id, user_id=user.pk))


def in_any_project(kind: type[Found], public_id: str) -> Found:
    """A project's object, for anyone: the door asks next for a membership in its project. Raises Http404."""
    return _first(kind._default_manager.select_related("project").filter(public_id=public_id))


def member(project: Project, person: str) -> Membership:
    """A person's membership, ended or not, for a lead of the project. Raises Http404."""
    found = Membership.objects.select_related("project", "user")
    return _first(found.filter(project=project, user__public_id=person))


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
    return _there(rows.first())


def _there(found: Thing | None) -> Thing:
    """One message for what is not there and what is not theirs."""
    if found is None:
        raise Http404(_("There is nothing here, or it is not yours to see."))
    return found
