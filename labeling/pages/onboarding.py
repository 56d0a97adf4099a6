"""The tutorial and the test of a new member: what comes next, how far they are, and what came of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.safestring import SafeString
from django.utils.translation import get_language
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET

from labeling.actions import onboarding
from labeling.actions.errors import NotNow
from labeling.actions.onboarding import Result
from labeling.actions.quality import pairs
from labeling.actions.rankings import LETTERS
from labeling.doors import entered
from labeling.markdown import markdown
from labeling.models import Gold, Kind, Membership, Onboarding, RankingRevision
from labeling.pages.facts import share
from labeling.pages.words import DEMONSTRATE, RANK
from labeling.pages.work import WAYS, work_page

WORDS = {Kind.RANK: RANK, Kind.DEMONSTRATE: DEMONSTRATE}


@dataclass(frozen=True)
class Compared:
    """One answer of a tutorial's item: where it was put, where it belongs, and which flags differ."""

    letter: str
    text: str
    given: int | None
    right: int
    missed: list[str]
    extra: list[str]

    @property
    def is_alike(self) -> bool:
        return not self.missed and not self.extra


@dataclass(frozen=True)
class Feedback:
    """What is right at an item, beside what the member said."""

    messages: list[dict[str, str]]
    answers: list[Compared]
    same: int
    of: int
    explanation: SafeString


@dataclass(frozen=True)
class Line:
    """A part of the test: what it asked, what was reached, and what is wanted."""

    name: str
    reached: str
    wanted: str
    passed: bool


@never_cache
@require_GET
def show(request: HttpRequest, project: str) -> HttpResponse:
    membership = entered(request).membership
    before = membership.onboarding
    stage = onboarding.move_on(membership)
    answered = onboarding.last_tutorial_answer(membership) if before == Onboarding.TUTORIAL else None
    done, total = _progress(membership)
    context = {
        "membership": membership,
        "stage": stage,
        "before": before,
        "feedback": feedback(answered) if answered else None,
        "done": done,
        "total": total,
        "lines": _lines(membership) if stage in (Onboarding.PASSED, Onboarding.FAILED) else [],
    }
    return render(request, "quality/onboarding.html", context)


@require_GET
def work(request: HttpRequest, project: str) -> HttpResponse:
    """The next item of the tutorial or the test, on the page where work is done; after it comes `show`."""
    membership = entered(request).membership
    try:
        claimed = onboarding.claim(membership)
    except NotNow as hindrance:
        return redirect(WAYS[hindrance.data["code"]], project)
    if claimed is None:
        return redirect("onboarding", project)
    kind = Kind(claimed.kind)
    done, total = _progress(membership)
    stage = (
        _("Tutorial, %(number)d of %(total)d: you see what is right after each answer.")
        if membership.onboarding == Onboarding.TUTORIAL
        else _("Test, %(number)d of %(total)d: what you skip counts as not agreed with.")
    )
    return work_page(
        request,
        kind=kind,
        template=f"work/{kind.value}.html",
        words=WORDS[kind],
        claim=lambda: claimed,
        after=reverse("onboarding", args=[project]),
        stage=stage % {"number": min(done + 1, total), "total": total},
    )


def feedback(revision: RankingRevision) -> Feedback:
    """An answer of the tutorial beside its gold, best first, under the letters that the member saw."""
    item, gold, held = revision.item, revision.item.gold, revision.ranking.assignment
    assert held is not None
    letters = {position: letter for letter, position in zip(LETTERS, held.shown_order, strict=False)}
    answers = []
    for part in item.item_completions.select_related("completion").order_by("position"):
        missed, extra = _flags(revision, gold, part.position)
        answers.append(
            Compared(
                letter=letters[part.position],
                text=part.completion.text,
                given=revision.ranks[part.position] if revision.ranks else None,
                right=gold.ranks[part.position],
                missed=missed,
                extra=extra,
            )
        )
    found = pairs(revision.ranks, gold.ranks)
    said = gold.explanation
    text = said.get(get_language() or "en") or said.get("en") or next(iter(said.values()), "")
    return Feedback(
        messages=item.asked.messages,
        answers=sorted(answers, key=lambda answer: (answer.right, answer.letter)),
        same=found.same,
        of=found.strict,
        explanation=markdown(text) if text else SafeString(""),
    )


def _flags(revision: RankingRevision, gold: Gold, position: int) -> tuple[list[str], list[str]]:
    """The names of the checked flags that the member left out here, and of those that do not belong."""
    if not gold.flags:
        return [], []
    checked = set(gold.rubric.keys(gold.flags_checked))
    right = set(gold.rubric.keys(gold.flags[position]))
    given = set(revision.rubric.keys(revision.flags[position])) & checked
    language = get_language() or "en"
    names = {flag["key"]: flag.get(language) or flag["en"] for flag in gold.rubric.flags}
    return [names[key] for key in sorted(right - given)], [names[key] for key in sorted(given - right)]


def _progress(membership: Membership) -> tuple[int, int]:
    """How many items of the stage are done, and of how many."""
    if membership.onboarding not in onboarding.STAGES:
        return 0, 0
    purpose = onboarding.STAGES[Onboarding(membership.onboarding)]
    total = onboarding.items_of(membership, purpose).count()
    return total - len(onboarding.left(membership, purpose)), total


def _lines(membership: Membership) -> list[Line]:
    found: Result = onboarding.result(membership)
    lines: list[Any] = [
        Line(name, share(part.share), share(part.least), part.passed)
        for name, part in ((_("Order of answers"), found.rankings), (_("Flags"), found.flags))
        if part.share is not None
    ]
    if found.rating is not None:
        reached, wanted = f"{found.rating:.1f}", f"{found.least_rating:.1f}"
        lines.append(Line(_("What you wrote, as rated by reviewers"), reached, wanted, found.rating_passed))
    return sorted(lines, key=lambda line: not line.passed)
