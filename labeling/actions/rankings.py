"""Submitting and revising a ranking.

A request speaks in the letters that the labeler saw (A, B, C …); what is stored are arrays over the
item's fixed positions. The method is what the assignment was shown with, which no request can choose; an
answer that no page sent has none.
"""

from __future__ import annotations

import string
from dataclasses import dataclass
from itertools import combinations
from typing import Any

from django.db import transaction
from django.utils.translation import gettext as _

from labeling.actions import prepared
from labeling.actions.answers import (
    Request,
    Submitted,
    check_base,
    note_revision,
    receive,
)
from labeling.actions.errors import BadInput
from labeling.actions.slots import check_unanswered, take_slot
from labeling.actions.text import check_text
from labeling.models import Assignment, InputMode, Prompt, Ranking, RankingRevision, Rubric

LETTERS = string.ascii_uppercase
FIELDS = frozenset(
    {"scores", "tiers", "tied", "flags", "denied", "moved", "all_bad", "comment", "active_seconds", "mode"}
)
MAX_COMMENT_BYTES = 10_000


@dataclass(frozen=True)
class Content:
    """What a ranking says, over positions."""

    scores: list[int]
    ranks: list[int] | None
    flags: list[int]
    denied: list[int]
    moved: list[bool]
    all_bad: bool
    comment: str
    mode: str
    conflicts: int


@transaction.atomic
def submit(assignment: Assignment, body: dict[str, Any], key: str) -> Submitted:
    """Store a ranking and fill the slot; late, it fills a free one or becomes an extra.

    The same key and body again give the stored answer. Raises BadInput for an answer that is not whole
    (see `parse`), KeyReused, and NotNow if the item was answered or skipped before.
    """
    request = receive(assignment, body, key, FIELDS, RankingRevision.objects)
    if request.stored is not None:
        return _submitted(request.stored, created=False)
    held = request.held
    check_unanswered(held)
    content = parse(body, held.shown_order, held.rubric, use_case=_use_case(held))
    slot, answered = take_slot(held)
    ranking = prepared.insert(
        Ranking(
            project_id=held.project_id,
            item_id=held.item_id,
            assignment=held,
            slot_id=slot,
            labeler_id=held.labeler_id,
            is_simulated=assignment.labeler.is_simulated,
            is_repeat=held.is_repeat,
        ),
        answered,
    )
    return _submitted(_write(ranking, request, content, number=1, base=0), created=True)


@transaction.atomic
def revise(ranking: Ranking, body: dict[str, Any], key: str) -> Submitted:
    """Append a revision on the stated base. Raises as `submit`, and Stale with the stored answer."""
    assert ranking.assignment is not None
    request = receive(ranking.assignment, body, key, FIELDS | {"base"}, RankingRevision.objects)
    if request.stored is not None:
        return _submitted(request.stored, created=False)
    held = request.held
    latest = ranking.revisions.order_by("-number")[0]
    base = check_base(body, latest.number, as_letters(latest, held))
    content = parse(body, held.shown_order, held.rubric, use_case=_use_case(held))
    revision = _write(ranking, request, content, number=latest.number + 1, base=base)
    note_revision(ranking)
    return _submitted(revision, created=True)


def parse(body: dict[str, Any], shown_order: list[int], rubric: Rubric, *, use_case: str = "") -> Content:
    """Check that an answer is whole, and turn letters into positions. Raises BadInput naming the field.

    Whole (*touched*) means: every completion has a score; the tiers name each letter once, best first,
    and every letter that shares a tier stands in `tied`, where the labeler said that it is a tie. Only
    an all-bad answer may leave the tiers out. A required flag is said (`flags`) or denied of each completion;
    flags are those that the rubric asks at prompts of this use case.
    """
    letters = LETTERS[: len(shown_order)]
    position = dict(zip(letters, shown_order, strict=True))
    scores = _scores(body.get("scores"), letters, rubric)
    all_bad = body.get("all_bad", False)
    if not isinstance(all_bad, bool):
        raise BadInput(_("True or false is wanted."), field="all_bad")
    tiers = body.get("tiers")
    if tiers is None and not all_bad:
        raise BadInput(_("An order is wanted, or “all bad”."), field="tiers")
    rank_of = None if tiers is None else _ranks(tiers, body.get("tied", []), letters)
    flags, denied = _flags(body, letters, rubric, use_case)
    moved = set(_letters(body.get("moved", []), letters, "moved"))
    mode = body.get("mode", InputMode.API)
    if mode not in InputMode.values:
        raise BadInput(_("Choose one of: %(modes)s.") % {"modes": ", ".join(InputMode.values)}, field="mode")
    comment = check_text(body.get("comment", ""), "comment", max_bytes=MAX_COMMENT_BYTES, required=False)
    letter_at = {place: letter for letter, place in position.items()}
    order = [letter_at[place] for place in range(len(shown_order))]
    return Content(
        scores=[scores[letter] for letter in order],
        ranks=None if rank_of is None else [rank_of[letter] for letter in order],
        flags=[flags.get(letter, 0) for letter in order],
        denied=[denied.get(letter, 0) for letter in order],
        moved=[letter in moved for letter in order],
        all_bad=all_bad,
        comment=comment,
        mode=mode,
        conflicts=0 if rank_of is None else conflicts(scores, rank_of),
    )


def parse_order(
    body: dict[str, Any], shown_order: list[int], rubric: Rubric
) -> tuple[list[int], list[int] | None]:
    """Only the scores and the order, over positions; None where there is no order. Raises as `parse`."""
    letters = LETTERS[: len(shown_order)]
    scores = _scores(body.get("scores"), letters, rubric)
    tiers = body.get("tiers")
    rank_of = None if tiers is None else _ranks(tiers, body.get("tied", []), letters)
    order = [letters[shown_order.index(place)] for place in range(len(shown_order))]
    ranks = None if rank_of is None else [rank_of[letter] for letter in order]
    return [scores[letter] for letter in order], ranks


def conflicts(scores: dict[str, int], ranks: dict[str, int]) -> int:
    """Pairs that the scores put strictly one way and the order strictly the other."""
    return sum((scores[a] - scores[b]) * (ranks[a] - ranks[b]) > 0 for a, b in combinations(scores, 2))


def as_letters(revision: RankingRevision, held: Assignment) -> dict[str, Any]:
    """A stored revision in the letters of the assignment that it was given under."""
    shown = list(zip(LETTERS, held.shown_order, strict=False))
    tiers: dict[int, list[str]] = {}
    for letter, place in shown:
        if revision.ranks is not None:
            tiers.setdefault(revision.ranks[place], []).append(letter)
    return {
        "scores": {letter: revision.scores[place] for letter, place in shown},
        "tiers": [tiers[rank] for rank in sorted(tiers)] if revision.ranks is not None else None,
        "tied": sorted(letter for tier in tiers.values() if len(tier) > 1 for letter in tier),
        "flags": _keys(revision.flags, shown, held.rubric),
        "denied": _keys(revision.denied, shown, held.rubric),
        "moved": [letter for letter, place in shown if revision.moved[place]],
        "all_bad": revision.all_bad,
        "comment": revision.comment,
    }


def _scores(given: Any, letters: str, rubric: Rubric) -> dict[str, int]:
    if not isinstance(given, dict):
        raise BadInput(_("A score for each completion is wanted."), field="scores")
    _letters(list(given), letters, "scores")
    for letter in letters:
        score = given.get(letter)
        if isinstance(score, bool) or not isinstance(score, int):
            raise BadInput(_("Completion %(letter)s has no score.") % {"letter": letter}, field="scores")
        if not rubric.scale_min <= score <= rubric.scale_max:
            raise BadInput(
                _("The score of %(letter)s is not between %(least)d and %(most)d.")
                % {"letter": letter, "least": rubric.scale_min, "most": rubric.scale_max},
                field="scores",
            )
    return {letter: given[letter] for letter in letters}


def _ranks(tiers: Any, tied: Any, letters: str) -> dict[str, int]:
    if not isinstance(tiers, list) or not all(isinstance(tier, list) and tier for tier in tiers):
        raise BadInput(_("A list of tiers, best first, is wanted."), field="tiers")
    named = _letters([letter for tier in tiers for letter in tier], letters, "tiers")
    if missing := [letter for letter in letters if letter not in named]:
        raise BadInput(
            _("These are not in the order yet: %(letters)s.") % {"letters": ", ".join(missing)}, field="tiers"
        )
    marked = set(_letters(tied, letters, "tied"))
    shared = [letter for tier in tiers if len(tier) > 1 for letter in tier]
    if untouched := [letter for letter in shared if letter not in marked]:
        raise BadInput(
            _("These are equal but not marked as a tie: %(letters)s.") % {"letters": ", ".join(untouched)},
            field="tied",
        )
    return {letter: rank for rank, tier in enumerate(tiers, 1) for letter in tier}


def _keys(masks: list[int], shown: list[tuple[str, int]], rubric: Rubric) -> dict[str, list[str]]:
    """By letter the flags of a mask; letters without any are left out. An old revision may have no masks."""
    keys = {letter: rubric.keys(masks[place]) for letter, place in shown} if masks else {}
    return {letter: found for letter, found in keys.items() if found}


def _use_case(held: Assignment) -> str:
    """Read only where it matters, since most rubrics ask every flag everywhere."""
    if not any(flag.get("use_cases") for flag in held.rubric.flags):
        return ""
    return Prompt.objects.values_list("use_case", flat=True).get(items=held.item_id)


def _flags(
    body: dict[str, Any], letters: str, rubric: Rubric, use_case: str
) -> tuple[dict[str, int], dict[str, int]]:
    """By letter the masks of what is said and of what is denied."""
    asked = rubric.asked(use_case)
    known = {flag["key"] for flag in asked}
    said, denied = (_flag_keys(body.get(field, {}), letters, known, field) for field in ("flags", "denied"))
    required = [flag["key"] for flag in asked if flag.get("required")]
    for letter in letters:
        yes, no = said.get(letter, set()), denied.get(letter, set())
        if both := yes & no:
            raise BadInput(
                _("%(letter)s has both a yes and a no for %(flag)s.") % {"letter": letter, "flag": min(both)},
                field=f"denied.{letter}",
            )
        if missing := [key for key in required if key not in yes | no]:
            raise BadInput(
                _("%(letter)s wants a yes or a no for %(flags)s.")
                % {"letter": letter, "flags": ", ".join(missing)},
                field=f"flags.{letter}",
            )
    return (
        {letter: rubric.mask(list(keys)) for letter, keys in said.items()},
        {letter: rubric.mask(list(keys)) for letter, keys in denied.items()},
    )


def _flag_keys(given: Any, letters: str, known: set[str], field: str) -> dict[str, set[str]]:
    if not isinstance(given, dict):
        raise BadInput(_("Flags for each completion are wanted."), field=field)
    _letters(list(given), letters, field)
    for letter, keys in given.items():
        if not isinstance(keys, list) or not all(isinstance(key, str) for key in keys):
            raise BadInput(_("A list of flags is wanted."), field=f"{field}.{letter}")
        if unknown := [key for key in keys if key not in known]:
            raise BadInput(
                _("There is no flag %(flag)s.") % {"flag": unknown[0][:40]}, field=f"{field}.{letter}"
            )
    return {letter: set(keys) for letter, keys in given.items()}


def _letters(given: Any, letters: str, field: str) -> list[str]:
    """A list of this item's letters, each once. Raises BadInput."""
    if not isinstance(given, list):
        raise BadInput(_("A list of letters is wanted."), field=field)
    for index, letter in enumerate(given):
        if not isinstance(letter, str) or len(letter) != 1 or letter not in letters:
            raise BadInput(
                _("%(letter)s is no completion of this item.") % {"letter": repr(letter)[:40]}, field=field
            )
        if letter in given[:index]:
            raise BadInput(_("%(letter)s is named twice.") % {"letter": letter}, field=field)
    return given


def _write(
    ranking: Ranking, request: Request, content: Content, *, number: int, base: int
) -> RankingRevision:
    held = request.held
    return prepared.insert(
        RankingRevision(
            ranking=ranking,
            item_id=held.item_id,
            k=len(held.shown_order),
            rubric_id=held.rubric_id,
            method="" if content.mode == InputMode.API else held.method,
            **request.columns(number=number, base=base),
            **vars(content),
        )
    )


def _submitted(revision: Any, *, created: bool) -> Submitted:
    return Submitted(
        answer=revision.ranking, revision=revision.number, created=created, conflicts=revision.conflicts
    )
