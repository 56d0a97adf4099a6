"""Who may come in where: one line for each address of the pages, the API and the operators' site.

    anyone     nobody need be signed in
    person     everybody who is signed in
    own        the object that the address names belongs to the signed-in person, who is a member of its
               project, if it has one
    labeler, reviewer, lead    that role, or a higher one, in the project of the object that it names; of a
               project's member, in the project that stands before them
    operator   `is_staff`; Django's admin looks closer by itself

`enter` is called once for each request before its view: for pages by `DoorMiddleware`, for the API by the
permission class `MayEnter`. The view takes what was found there, and looks nothing up by an address of its
own. An address without a line is shut, and a test fails until it has one.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar
from urllib.parse import urlsplit

from django.conf import settings
from django.contrib import messages
from django.contrib.auth.models import AnonymousUser
from django.contrib.auth.views import redirect_to_login
from django.core.exceptions import PermissionDenied
from django.db import models
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.translation import gettext as _

from labeling import access
from labeling.models import (
    DatasetVersion,
    Delivery,
    Demonstration,
    Invitation,
    Item,
    Membership,
    ModelVersion,
    Prompt,
    Ranking,
    Return,
    Review,
    Role,
    Round,
    Run,
    User,
    Webhook,
    WrittenPrompt,
)

Found = TypeVar("Found")


@dataclass(frozen=True)
class Door:
    """One line of the table. `noun` is the keyword of the address that names an object."""

    who: str
    noun: str = ""
    role: Role | None = None


ANYONE, PERSON, OPERATOR = Door("anyone"), Door("person"), Door("operator")


def own(noun: str) -> Door:
    return Door("own", noun)


def labeler(noun: str = "project") -> Door:
    return Door("labeler", noun, Role.LABELER)


def reviewer(noun: str = "project") -> Door:
    return Door("reviewer", noun, Role.REVIEWER)


def lead(noun: str = "project") -> Door:
    return Door("lead", noun, Role.LEAD)


DOORS: dict[str, Door] = {
    # --- people ---
    "home": PERSON,
    "set-preferences": ANYONE,
    "health": ANYONE,
    # --- coming in; the names that allauth looks for are its own ---
    "account_login": ANYONE,
    "mfa_authenticate": ANYONE,
    "account_logout": ANYONE,
    "openid_connect_login": ANYONE,
    "openid_connect_callback": ANYONE,
    "account_reset_password": ANYONE,
    "account_reset_password_done": ANYONE,
    "account_reset_password_from_key": ANYONE,
    "join": ANYONE,
    # --- one's own account ---
    "account": PERSON,
    "change-password": PERSON,
    "account_reauthenticate": PERSON,
    "mfa_reauthenticate": PERSON,
    "mfa_activate_totp": PERSON,
    "mfa_deactivate_totp": PERSON,
    "mfa_view_recovery_codes": PERSON,
    "mfa_generate_recovery_codes": PERSON,
    "account_email": PERSON,
    "account_confirm_email": ANYONE,
    "end-sessions": PERSON,
    "unlink-provider": PERSON,
    "tokens": PERSON,
    "revoke-token": own("token"),
    # --- labelers' work ---
    "rank": labeler(),
    "demonstrate": labeler(),
    "guidelines": labeler(),
    "accept-guidelines": labeler(),
    "onboarding": labeler(),
    "onboarding-work": labeler(),
    "my-work": labeler(),
    "last-answers": labeler(),
    "set-wishes": labeler(),
    "api:me": PERSON,
    "api:set-workspace": PERSON,
    "api:projects": PERSON,
    "api:project": labeler(),
    "api:guidelines": labeler(),
    "api:accept-guidelines": labeler(),
    "api:next": labeler(),
    "api:answers": labeler(),
    "api:assignment": own("assignment"),
    "api:show": own("assignment"),
    "api:assignment-html": own("assignment"),
    "api:renew": own("assignment"),
    "api:draft": own("assignment"),
    "api:release": own("assignment"),
    "api:skip": own("assignment"),
    "api:submit-ranking": own("assignment"),
    "api:submit-demonstration": own("assignment"),
    "api:revise-ranking": own("ranking"),
    "api:revise-demonstration": own("demonstration"),
    "write": labeler(),
    "api:submit-written-prompt": own("assignment"),
    "api:revise-written-prompt": own("written_prompt"),
    "api:preview": PERSON,
    # --- what was sent back to a labeler ---
    "sent-back": labeler(),
    "reply": own("returned"),
    "api:reply": own("returned"),
    # --- reviewers' work ---
    "review": reviewer(),
    "came-back": reviewer(),
    "close-return": reviewer("returned"),
    "api:submit-review": own("assignment"),
    "api:revise-review": own("review"),
    # --- leads' pages ---
    "dashboard": lead(),
    "runs": lead(),
    "datasets": lead(),
    "rounds": lead(),
    "freeze": lead(),
    "start-round": lead(),
    "write-completions": lead(),
    "written-prompts": lead(),
    "ask-for-prompts": lead(),
    "withdraw-request": lead("item"),
    "run": lead("run"),
    "stop-run": lead("run"),
    "dataset": lead("dataset"),
    "download-dataset": lead("dataset"),
    "round": lead("round"),
    "stop-round": lead("round"),
    "override-gate": lead("round"),
    "people": lead(),
    "invite": lead(),
    "member": lead("member"),
    "set-active": lead("member"),
    "revoke-invitation": lead("invitation"),
    "labeling": lead(),
    "set-ranking-method": lead(),
    "edit-guidelines": lead(),
    "guidelines-history": lead(),
    "rubric": lead(),
    "rubric-history": lead(),
    "quality": lead(),
    "set-onboarding": lead("member"),
    "checks": lead(),
    "make-check": lead("item"),
    "set-check-active": lead("item"),
    "ask-to-write": lead("item"),
    "webhooks": lead(),
    "subscribe": lead(),
    "set-webhook-active": lead("webhook"),
    "test-webhook": lead("webhook"),
    "send-again": lead("delivery"),
    # --- leads' and reviewers' programs ---
    "api:demonstrations": reviewer(),
    "api:demonstration": reviewer("demonstration"),
    "api:reviews": reviewer(),
    "api:review": reviewer("review"),
    "api:returns": reviewer(),
    "api:close-return": reviewer("returned"),
    "api:rankings": reviewer(),
    "api:ranking": reviewer("ranking"),
    "api:written-prompts": reviewer(),
    "api:written-prompt": reviewer("written_prompt"),
    "api:ask-for-prompts": lead(),
    "api:prompts": lead(),
    "api:prompt": lead("prompt"),
    "api:completions": lead(),
    "api:write-completions": lead(),
    "api:items": lead(),
    "api:guidelines-versions": lead(),
    "api:rubrics": lead(),
    "api:checks": lead(),
    "api:set-check-active": lead("item"),
    "api:datasets": lead(),
    "api:dataset": lead("dataset"),
    "api:dataset-rows": lead("dataset"),
    "api:runs": lead(),
    "api:run": lead("run"),
    "api:run-metrics": lead("run"),
    "api:stop-run": lead("run"),
    "api:models": lead(),
    "api:model": lead("model"),
    "api:rounds": lead(),
    "api:round": lead("round"),
    "api:stop-round": lead("round"),
    "api:override-gate": lead("round"),
    "api:webhooks": lead(),
    "api:webhook": lead("webhook"),
    "api:deliveries": lead("webhook"),
    "api:test-webhook": lead("webhook"),
    "api:send-again": lead("delivery"),
    "api:members": lead(),
    "api:member": lead("member"),
    "api:set-active": lead("member"),
    "api:invitations": lead(),
    "api:revoke-invitation": lead("invitation"),
    # --- what the API is ---
    "api:schema": ANYONE,
    "api-docs": ANYONE,
    # --- operators; signing in to the admin leads to our own page ---
    "admin:login": ANYONE,
    "admin:": OPERATOR,
}

OWN: Mapping[str, Callable[[User, Any], Any]] = {
    "assignment": access.assignment,
    "ranking": partial(access.own_answer, Ranking),
    "demonstration": partial(access.own_answer, Demonstration),
    "written_prompt": partial(access.own_answer, WrittenPrompt),
    "review": partial(access.own_answer, Review),
    "returned": access.own_return,
    "token": access.own_token,
}
"""How the object that a keyword names is found where it must be the person's own."""

NOUNS: Mapping[str, type[models.Model]] = {
    "prompt": Prompt,
    "item": Item,
    "ranking": Ranking,
    "demonstration": Demonstration,
    "written_prompt": WrittenPrompt,
    "review": Review,
    "returned": Return,
    "dataset": DatasetVersion,
    "model": ModelVersion,
    "run": Run,
    "round": Round,
    "invitation": Invitation,
    "webhook": Webhook,
    "delivery": Delivery,
}
"""What it is where a role in its project is asked for; projects and members are found with the membership."""


@dataclass(frozen=True)
class Entered:
    """Who came in, and to what: the object that the address names, and the membership in its project."""

    user: User | AnonymousUser
    found: Any = None
    in_project: Membership | None = None

    @property
    def person(self) -> User:
        assert isinstance(self.user, User)
        return self.user

    @property
    def membership(self) -> Membership:
        assert self.in_project is not None
        return self.in_project

    def the(self, kind: type[Found]) -> Found:
        """The object that the address names."""
        assert isinstance(self.found, kind)
        return self.found


class NotSignedIn(Exception):
    """Only a person may pass here."""


class NeedsSecondFactor(PermissionDenied):
    """Only who signs in with a second factor may pass here (RANKLOOP_REQUIRE_MFA).

    Asked last: who may not pass anyway learns nothing and need set up nothing.
    """


def door(name: str) -> Door | None:
    """The line of a view; a whole namespace may share one."""
    return DOORS.get(name) or DOORS.get(name.partition(":")[0] + ":")


def enter(user: User | AnonymousUser, name: str, keywords: Mapping[str, Any]) -> Entered:
    """Let a user through the door of this name. Raises NotSignedIn, PermissionDenied or Http404."""
    found = door(name)
    if found is None:
        raise PermissionDenied(_("This address is shut."))
    here = _pass(found, user, keywords)
    if found.who in settings.REQUIRE_SECOND_FACTOR and not access.has_second_factor(here.person):
        raise NeedsSecondFactor(_("Set up a second factor for signing in first."))
    return here


def _pass(found: Door, user: User | AnonymousUser, keywords: Mapping[str, Any]) -> Entered:
    if found.who == "anyone":
        return Entered(user)
    if not isinstance(user, User):
        raise NotSignedIn
    if found.who == "operator" and not user.is_staff:
        raise PermissionDenied(_("These pages are for the operators of this installation."))
    if not found.noun:
        return Entered(user)
    given = keywords[found.noun]
    if found.role is None:
        return Entered(user, OWN[found.noun](user, given))
    if found.noun in ("project", "member"):
        mine = access.membership(user, keywords["project"], found.role)
        return Entered(user, access.member(mine.project, given) if found.noun == "member" else None, mine)
    thing: Any = access.in_any_project(NOUNS[found.noun], given)
    return Entered(user, thing, access.membership(user, thing.project.public_id, found.role))


def entered(request: HttpRequest) -> Entered:
    """What `enter` found for this request."""
    found: Entered = request.entered  # type: ignore[attr-defined]
    return found


class DoorMiddleware:
    """Pages: who is not signed in goes to the sign-in page and comes back. The API has MayEnter."""

    def __init__(self, handler: Callable[[HttpRequest], HttpResponse]) -> None:
        self.handler = handler

    def __call__(self, request: HttpRequest) -> HttpResponse:
        return self.handler(request)

    def process_view(
        self, request: HttpRequest, view: Any, arguments: Any, keywords: dict[str, Any]
    ) -> HttpResponseBase | None:
        assert request.resolver_match is not None
        name = request.resolver_match.view_name
        if name.startswith("api:"):
            return None
        try:
            request.entered = enter(request.user, name, keywords)  # type: ignore[attr-defined]
        except NotSignedIn:
            return redirect_to_login(_comes_back_to(request))
        except NeedsSecondFactor as error:
            messages.warning(request, str(error))
            return redirect("mfa_activate_totp")
        return None


def _comes_back_to(request: HttpRequest) -> str:
    """Where who signs in goes on: here, or after a form, whose address may take no GET, on its page."""
    if request.method in ("GET", "HEAD"):
        return request.get_full_path()
    page = request.headers.get("Referer", "")
    if not url_has_allowed_host_and_scheme(page, {request.get_host()}, request.is_secure()):
        return "/"
    return urlsplit(page)._replace(scheme="", netloc="", fragment="").geturl() or "/"
