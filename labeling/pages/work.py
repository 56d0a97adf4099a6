"""What the pages of a labeler's work have in common: the first item, and what its script must know."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.functional import Promise
from django.utils.http import urlencode
from django.utils.translation import gettext_lazy as _
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import ensure_csrf_cookie

from labeling import access
from labeling.actions import preferences, queue, shortcuts
from labeling.actions.errors import NotNow
from labeling.actions.slots import ANSWERS
from labeling.api.answers import own_answer
from labeling.api.assignments import payload
from labeling.doors import entered
from labeling.models import (
    Assignment,
    Demonstration,
    Kind,
    Membership,
    QualityPolicy,
    Ranking,
    Return,
    User,
    WrittenPrompt,
)

SKIP_REASONS: dict[str, Promise] = {
    "unclear": _("I do not understand what is asked"),
    "too_hard": _("I do not know enough about it"),
    "language": _("It is in a language I do not read well"),
    "sensitive": _("I would rather not work on this content"),
    "broken": _("Something is broken or missing"),
    "other": _("Another reason"),
    "report": _("I report this prompt: a reviewer should see it"),
}
WAYS = {
    "guidelines": "guidelines",
    **dict.fromkeys(["tutorial", "test", "review", "failed"], "onboarding"),
}
"""By what keeps a member from working (actions/admission.py), the page where they do something about it."""
PAGES = {Kind.RANK: "rank", Kind.DEMONSTRATE: "demonstrate", Kind.PROMPT: "write"}


def change_address(answer: Ranking | Demonstration | WrittenPrompt) -> str:
    """Where its labeler opens an answer again, to change it."""
    if answer.item is None:
        return ""
    page = reverse(PAGES[Kind(answer.item.kind)], args=[answer.project.public_id])
    return f"{page}?{urlencode({'change': answer.public_id})}"


def _to_change(membership: Membership, kind: Kind, answer: str) -> dict[str, Any] | None:
    """One's own answer that the address asks to open again, with what a reviewer said. Raises Http404."""
    if not answer or kind == Kind.REVIEW:
        return None
    model: Any = ANSWERS[kind]
    given = access.own_answer(model, membership.user, answer)
    sent = given.returns.filter(state=Return.State.OPEN).first()
    return {**own_answer(given), "comment": sent.comment if sent else ""}


@never_cache
@ensure_csrf_cookie
def work_page(
    request: HttpRequest,
    *,
    kind: Kind,
    template: str,
    words: dict[str, Promise],
    claim: Callable[[], Assignment | None] | None = None,
    after: str = "",
    stage: str = "",
    **more: Any,
) -> HttpResponse:
    """The page with its first item claimed, so that it can be read before any script has run.

    Who is not admitted yet is led to what is to be done first. `after` is where each answer leads, in place
    of the next item, and `stage` says what the items are for (onboarding.py). `more` is what the template of
    this kind wants besides.
    """
    membership = entered(request).membership
    project, back = membership.project.public_id, urlencode({"next": request.path})
    ways = {code: f"{reverse(page, args=[project])}?{back}" for code, page in WAYS.items()}
    change = _to_change(membership, kind, request.GET.get("change", ""))
    claimed, reason = None, ""
    try:
        if not change:
            claimed = claim() if claim else queue.claim(membership, kind)
    except NotNow as hindered:
        if way := ways.get(hindered.data.get("code", "")):
            return redirect(way)
        reason = hindered.message
    assignment = payload(claimed) if claimed else None
    reading = preferences.reading(membership.user)
    context: dict[str, Any] = {
        "membership": membership,
        "reading": reading,
        "assignment": assignment,
        "stage": stage,
        "skip_reasons": SKIP_REASONS,
        "script": f"js/{kind.value}.js",
        "words": {key: str(text) for key, text in words.items()},
        "config": {
            "user": membership.user.public_id,
            "project": project,
            "kind": kind.value,
            "csrf_cookie": settings.CSRF_COOKIE_NAME,
            "sign_in_url": reverse("account_login"),
            "assignment": assignment,
            "change": change,
            "reason": reason,
            "ways": ways,
            "after": after,
            "break_after_minutes": _break_after(membership),
            "reading": reading,
            "keys": _keys(membership.user, kind),
        },
        **more,
    }
    return render(request, template, context)


def _keys(user: User, kind: Kind) -> dict[str, Any]:
    """What keys do, on the other pages too, what of it is listed here, and what this person has chosen."""
    actions = [
        {"name": action.name, "key": action.key, "also": action.also, "scopes": action.scopes}
        for action in shortcuts.ACTIONS.values()
    ]
    parts = [
        {
            "title": str(shortcuts.PARTS[part]),
            "actions": [[each.name, str(each.label), each.methods] for each in there],
        }
        for part, there in shortcuts.on_page(kind).items()
    ]
    return {
        "actions": actions,
        "parts": parts,
        "chosen": preferences.keys(user),
        "scope": shortcuts.SCOPES[kind][0],
    }


def _break_after(membership: Membership) -> int | None:
    policy = QualityPolicy.objects.filter(project=membership.project_id).first()
    return policy.break_after_minutes if policy else None
