"""How long good demonstrations are, as a guide for who writes the next: never a rule."""

from __future__ import annotations

import re
import time
from dataclasses import asdict, dataclass
from statistics import quantiles

from django.db.models import OuterRef, Q, Subquery

from labeling.models import (
    Demonstration,
    DemonstrationRevision,
    DemonstrationSource,
    Project,
    Purpose,
    Verdict,
)

LOOKED_AT = 500
"""The newest ones say enough."""
FEWEST = 5
"""Fewer say nothing."""
KEEP_SECONDS = 600
MOST_CHARACTERS = 20_000
# Chinese and Japanese put no space between words; a browser's segmenter finds about one in 1.6 characters.
IDEOGRAPH = re.compile("[\u3040-\u30ff\u3400-\u9fff]")
CHARACTERS_IN_A_WORD = 1.6
WORD = re.compile(r"[\w'’-]+")


@dataclass(frozen=True)
class Length:
    """Words: of ten demonstrations eight are from `low` to `high` long."""

    low: int
    median: int
    high: int


_kept: dict[int, tuple[float, dict[str, Length]]] = {}


def guidance(project: Project) -> dict[str, Length]:
    """By use case, and for all of them under the empty name; what too few were written for is left out.

    Worked out anew at most every ten minutes in a process.
    """
    until, known = _kept.get(project.pk, (0.0, {}))
    if time.monotonic() >= until:
        known = _measure(project)
        _kept[project.pk] = (time.monotonic() + KEEP_SECONDS, known)
    return known


def as_json(found: dict[str, Length]) -> dict[str, dict[str, int]]:
    return {name: asdict(length) for name, length in found.items()}


def count_words(text: str) -> int:
    """About as many as the page counts (frontend/static/js/words.js)."""
    ideographs = len(IDEOGRAPH.findall(text))
    return round(ideographs / CHARACTERS_IN_A_WORD) + len(WORD.findall(IDEOGRAPH.sub(" ", text)))


def _measure(project: Project) -> dict[str, Length]:
    latest = DemonstrationRevision.objects.filter(demonstration=OuterRef("pk")).order_by("-number")
    accepted = (
        Demonstration.objects.filter(
            Q(slot__isnull=False, item__purpose=Purpose.WORK) | Q(source=DemonstrationSource.IMPORTED),
            project=project,
            is_simulated=False,
            wants_review=False,
            verdict__in=["", Verdict.ACCEPTED, Verdict.EDITED],
        )
        .order_by("-pk")
        .annotate(text=Subquery(latest.values("text")[:1]))
    )
    words: dict[str, list[int]] = {"": []}
    for use_case, text in accepted.values_list("prompt__use_case", "text")[:LOOKED_AT]:
        count = count_words(text[:MOST_CHARACTERS])
        words[""].append(count)
        if use_case:
            words.setdefault(use_case, []).append(count)
    return {use_case: _length(counts) for use_case, counts in words.items() if len(counts) >= FEWEST}


def _length(counts: list[int]) -> Length:
    tenths = quantiles(counts, n=10, method="inclusive")
    return Length(low=round(tenths[0]), median=round(tenths[4]), high=round(tenths[8]))
