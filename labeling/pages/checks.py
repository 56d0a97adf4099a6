"""Checks, for a lead: what there is for the tutorial, the test and among the work, and making more of it."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.contrib import messages
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse, QueryDict
from django.shortcuts import redirect, render
from django.utils.translation import get_language, gettext_lazy
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from labeling.actions import golds
from labeling.actions.errors import ActionError, BadInput
from labeling.actions.golds import Right
from labeling.actions.rankings import LETTERS
from labeling.doors import entered
from labeling.models import Item, Kind, Purpose, Rubric
from labeling.pages.moves import move, whole

PER_PAGE = 50
PURPOSES = {
    Purpose.TUTORIAL: gettext_lazy("tutorial: shown with its explanation"),
    Purpose.TEST: gettext_lazy("test: decides who works"),
    Purpose.GOLD: gettext_lazy("hidden gold: among the work, now and then"),
}
SHORT = {
    Purpose.TUTORIAL: gettext_lazy("tutorial"),
    Purpose.TEST: gettext_lazy("test"),
    Purpose.GOLD: gettext_lazy("hidden gold"),
}


@require_GET
def index(request: HttpRequest, project: str) -> HttpResponse:
    membership = entered(request).membership
    page = Paginator(golds.of_project(membership.project), PER_PAGE).get_page(request.GET.get("page"))
    rows = [
        {"item": item, "purpose": SHORT[Purpose(item.purpose)], "is_active": item.state == Item.State.OPEN}
        for item in page.object_list
    ]
    context = {
        "membership": membership,
        "page": page,
        "rows": rows,
        "candidates": golds.candidates(membership.project),
    }
    return render(request, "quality/checks.html", context)


@require_http_methods(["GET", "HEAD", "POST"])
def make(request: HttpRequest, item: str) -> HttpResponse:
    """A check from an item to rank. The form begins with what people made of it."""
    here = entered(request)
    found, refused = here.the(Item), None
    if request.method == "POST":
        try:
            right = _given(request.POST, found.k)
            golds.make_from(found, request.POST.get("purpose", ""), right, actor=here.person)
        except ActionError as error:
            refused = error
        else:
            messages.success(request, _("The check is made."))
            return redirect("checks", found.project.public_id)
    context = {"membership": here.membership, "refused": refused, **_form(found, request.POST)}
    return render(request, "quality/make_check.html", context, status=400 if refused else 200)


@require_POST
def set_active(request: HttpRequest, item: str) -> HttpResponse:
    """Retire a check, or use it again (`active=1`)."""
    here, active = entered(request), request.POST.get("active") == "1"
    found = here.the(Item)
    done = _("The check is used again.") if active else _("The check is given to nobody any more.")
    move(request, lambda: golds.set_active(found, active, actor=here.person), done)
    return redirect("checks", found.project.public_id)


@require_POST
def ask_to_write(request: HttpRequest, item: str) -> HttpResponse:
    """The test asks for a demonstration of the item's prompt."""
    here = entered(request)
    found = here.the(Item)
    done = _("The test asks for an answer to this prompt, which a reviewer rates.")
    move(request, lambda: _ask(found, here), done)
    return redirect("checks", found.project.public_id)


def _ask(item: Item, here: Any) -> None:
    if item.prompt is None:
        raise BadInput(_("This item has no prompt."))
    golds.ask_to_write(item.prompt, actor=here.person)


def _given(form: QueryDict, k: int) -> Right:
    """What the form says. Raises BadInput."""
    return Right(
        ranks=[whole(form.get(f"rank-{position}", ""), "ranks") for position in range(k)],
        flags=[form.getlist(f"flags-{position}") for position in range(k)],
        checked=form.getlist("checked"),
        explanation={code: form.get(f"explanation-{code}", "") for code, _name in settings.LANGUAGES},
    )


def _form(item: Item, given: QueryDict) -> dict[str, Any]:
    """The form as it was sent, or as people's rankings suggest it."""
    suggested = golds.suggest(item) if item.kind == Kind.RANK else None
    rubric = Rubric.objects.filter(project=item.project).order_by("-version").first()
    language = get_language() or "en"
    flags = [(flag["key"], flag.get(language) or flag["en"]) for flag in (rubric.flags if rubric else [])]
    parts = item.item_completions.select_related("completion").order_by("position")
    suggested_flags = {key for keys in (suggested.flags if suggested else ()) for key in keys}
    answers = []
    for part in parts:
        place = part.position
        rank = str(suggested.ranks[place]) if suggested else ""
        chosen = suggested.flags[place] if suggested and suggested.flags else []
        answers.append(
            {
                "position": place,
                "letter": LETTERS[place],
                "text": part.completion.text,
                "rank": given.get(f"rank-{place}", rank),
                "flags": given.getlist(f"flags-{place}") if given else chosen,
            }
        )
    return {
        "item": item,
        "answers": answers,
        "places": [str(place) for place in range(1, item.k + 1)],
        "flags": flags,
        "checked": given.getlist("checked") if given else suggested_flags,
        "purposes": [(purpose.value, name) for purpose, name in PURPOSES.items()],
        "purpose": given.get("purpose", Purpose.GOLD.value),
        "is_suggested": suggested is not None and not given,
        "explanations": [
            (code, name, given.get(f"explanation-{code}", "")) for code, name in settings.LANGUAGES
        ],
    }
