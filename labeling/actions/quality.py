"""How good the labels are."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import combinations

from django.db import connection

from labeling.models import Project, RankingMethod, RankingRevision


@dataclass(frozen=True)
class Agreement:
    """How often two labelers of an item order a pair of its completions the same way.

    `strict` counts pairs that both order (as InstructGPT's 72.6 %, section 3.4); `with_ties` counts all
    pairs, where a tie agrees only with a tie. Both are shares, or None where there is nothing to compare.
    """

    strict: float | None
    strict_pairs: int
    with_ties: float | None
    pairs: int
    items: int


PAIRS = """
WITH latest AS (
    SELECT DISTINCT ON (revision.ranking_id) revision.ranking_id, revision.item_id, revision.ranks, revision.k
    FROM labeling_rankingrevision revision JOIN labeling_ranking ranking ON ranking.id = revision.ranking_id
    JOIN labeling_item item ON item.id = ranking.item_id
    WHERE ranking.project_id = %s AND ranking.slot_id IS NOT NULL AND NOT ranking.is_repeat
      AND item.purpose = 'work'
    ORDER BY revision.ranking_id, revision.number DESC
), compared AS (
    SELECT one.item_id,
           sign(one.ranks[i] - one.ranks[j]) AS first, sign(other.ranks[i] - other.ranks[j]) AS second
    FROM latest one
    JOIN latest other ON other.item_id = one.item_id AND other.ranking_id > one.ranking_id
    CROSS JOIN LATERAL generate_series(1, one.k) AS i
    CROSS JOIN LATERAL generate_series(i + 1, one.k) AS j
    WHERE one.ranks IS NOT NULL AND other.ranks IS NOT NULL
)
SELECT count(*) FILTER (WHERE first <> 0 AND second <> 0),
       count(*) FILTER (WHERE first <> 0 AND first = second),
       count(*), count(*) FILTER (WHERE first = second), count(DISTINCT item_id)
FROM compared
"""


def agreement(project: Project) -> Agreement:
    """Pairwise agreement over every item of work with two or more rankings that fill slots, repeats apart."""
    with connection.cursor() as database:
        database.execute(PAIRS, [project.pk])
        strict_pairs, strict_same, pairs, same, items = database.fetchone()
    return Agreement(
        strict=strict_same / strict_pairs if strict_pairs else None,
        strict_pairs=strict_pairs,
        with_ties=same / pairs if pairs else None,
        pairs=pairs,
        items=items,
    )


@dataclass(frozen=True)
class Pairs:
    """Pairs of completions that both of two orders put one before the other, and those put alike."""

    strict: int
    same: int


def pairs(one: Sequence[int] | None, other: Sequence[int] | None) -> Pairs:
    """How two orders over the same positions agree, as `agreement` counts; None is no order."""
    if one is None or other is None:
        return Pairs(0, 0)
    both = [
        (one[a] < one[b], other[a] < other[b])
        for a, b in combinations(range(len(one)), 2)
        if one[a] != one[b] and other[a] != other[b]
    ]
    return Pairs(len(both), sum(first == second for first, second in both))


def latest_of_items(items: Iterable[int]) -> dict[int, list[RankingRevision]]:
    """The rankings of these items as they now stand, by item: those that fill slots, repeats apart."""
    found: dict[int, list[RankingRevision]] = {}
    revisions = (
        RankingRevision.objects.filter(
            item_id__in=list(items), ranking__slot__isnull=False, ranking__is_repeat=False
        )
        .select_related("ranking", "rubric")
        .order_by("ranking_id", "-number")
        .distinct("ranking_id")
    )
    for revision in revisions:
        found.setdefault(revision.item_id, []).append(revision)
    return found


@dataclass(frozen=True)
class MethodFigures:
    """Answers of people who were shown K completions and asked for the order in one way.

    `seconds` is the median of their active time; `tied` and `at_odds` are the shares of answers with a tie,
    and with a pair that scores and order put the other way round; `conflicts` counts those pairs.
    """

    method: RankingMethod
    k: int
    answers: int
    seconds: float
    tied: float
    at_odds: float
    conflicts: int


METHODS = """
WITH latest AS (
    SELECT DISTINCT ON (revision.ranking_id) revision.method, revision.k, revision.ranks, revision.conflicts,
           revision.active_seconds
    FROM labeling_rankingrevision revision
    JOIN labeling_ranking ranking ON ranking.id = revision.ranking_id
    JOIN labeling_item item ON item.id = ranking.item_id
    WHERE ranking.project_id = %s AND NOT ranking.is_simulated AND NOT ranking.is_repeat
      AND item.purpose = 'work'
    ORDER BY revision.ranking_id, revision.number DESC
)
SELECT method, k, count(*), percentile_cont(0.5) WITHIN GROUP (ORDER BY active_seconds),
       avg((SELECT count(DISTINCT rank) < k FROM unnest(ranks) AS rank)::int),
       avg((conflicts > 0)::int), sum(conflicts)
FROM latest WHERE method <> '' AND ranks IS NOT NULL
GROUP BY k, method ORDER BY k, method
"""


def by_method(project: Project) -> list[MethodFigures]:
    """How each ranking method does, like beside like: by K, then by method.

    Of people's answers to work as they now stand; not of programs', of repeats, nor of all-bad ones without
    an order.
    """
    with connection.cursor() as database:
        database.execute(METHODS, [project.pk])
        found = database.fetchall()
    return [
        MethodFigures(RankingMethod(method), k, answers, seconds, float(tied), float(at_odds), conflicts)
        for method, k, answers, seconds, tied, at_odds, conflicts in found
    ]
