"""What a reviewer should look at: answers that disagree, items people skip, texts that want a second opinion.

`tick` walks over all revisions once, in batches, behind a place that only this process remembers: a restart
reads them again, and finds nothing to do for what is in the queue already. Prompts and texts are found by
their own marks. Each thing is asked about once for each reason; a text again once it has changed.
"""

from __future__ import annotations

import datetime
import random
from collections import defaultdict
from collections.abc import Iterable
from typing import Any

from django.db import transaction
from django.db.models import Exists, OuterRef, Q

from labeling.actions import prepared
from labeling.models import (
    Assignment,
    Demonstration,
    Item,
    Kind,
    Origin,
    Purpose,
    QualityPolicy,
    ReviewReason,
    Slot,
    WrittenPrompt,
)
from labeling.models.queue import random_key

LEAST_AGREEMENT = 0.5
"""Mean over all pairs of completions and of answers: 1 where both order them alike, ½ where one ties them."""
SETTLED = datetime.timedelta(seconds=60)
"""Younger revisions wait: a slip is often undone, and transactions still under way may have earlier ids."""
BATCH = 500
REPORTED = Exists(
    Assignment.objects.filter(item=OuterRef("pk"), state=Assignment.State.SKIPPED, skip_reason="report")
)
"""Somebody passed it on because something is wrong with its prompt."""
FINDING_LOCK = 0x44495350
"""Advisory lock of the one finder, so that no text is asked about twice."""

# Answers of programs alone are nobody's to decide; a flag counts as denied only where it was asked for.
DISPUTED = """
WITH changed AS (
    SELECT id, item_id FROM labeling_rankingrevision
    WHERE id > %(after)s AND created_at < clock_timestamp() - make_interval(secs => %(settled)s)
    ORDER BY id LIMIT %(limit)s
), answers AS MATERIALIZED (
    SELECT ranking.id, ranking.item_id, latest.ranks, latest.all_bad, latest.k, latest.rubric_id,
           latest.flags, latest.denied, ranking.is_simulated
    FROM labeling_item item JOIN labeling_ranking ranking ON ranking.item_id = item.id
    CROSS JOIN LATERAL (SELECT * FROM labeling_rankingrevision revision
                        WHERE revision.ranking_id = ranking.id ORDER BY number DESC LIMIT 1) latest
    WHERE item.id IN (SELECT item_id FROM changed) AND NOT ranking.is_repeat
      AND item.purpose = 'work' AND item.state = 'open'
), pairs AS (
    SELECT one.item_id, one.all_bad <> other.all_bad AS all_bad,
        (SELECT avg(CASE WHEN first.sign = second.sign THEN 1.0
                         WHEN first.sign = 0 OR second.sign = 0 THEN 0.5 ELSE 0.0 END)
         FROM generate_series(1, one.k) AS i CROSS JOIN LATERAL generate_series(i + 1, one.k) AS j
         CROSS JOIN LATERAL (SELECT sign(one.ranks[i] - one.ranks[j])) AS first(sign)
         CROSS JOIN LATERAL (SELECT sign(other.ranks[i] - other.ranks[j])) AS second(sign)
         WHERE one.ranks IS NOT NULL AND other.ranks IS NOT NULL) AS agreement,
        one.rubric_id = other.rubric_id AND EXISTS (
            SELECT 1 FROM generate_series(1, one.k) AS i
            WHERE coalesce(one.flags[i] & other.denied[i], 0) <> 0
               OR coalesce(other.flags[i] & one.denied[i], 0) <> 0) AS flags
    FROM answers one JOIN answers other ON other.item_id = one.item_id AND other.id > one.id
    WHERE NOT (one.is_simulated AND other.is_simulated)
)
SELECT (SELECT max(id) FROM changed), item_id,
       coalesce(avg(agreement) < %(least)s, false), bool_or(all_bad), bool_or(flags)
FROM (SELECT * FROM pairs UNION ALL SELECT NULL, NULL, NULL, NULL) AS every GROUP BY item_id
"""

_place = 0
"""The last revision that this process has looked at."""


def tick() -> int:
    """Make review items for what has come up; returns how many. The control worker calls this often."""
    global _place
    _place, made = find(_place)
    return made


@transaction.atomic
def find(after: int = 0, *, settled: datetime.timedelta = SETTLED, limit: int = BATCH) -> tuple[int, int]:
    """Look at the revisions behind a place, and at what is marked.

    Returns the new place, and how many items were made: none where another process looks just now.
    """
    if prepared.rows("SELECT pg_try_advisory_xact_lock(%s)", [FINDING_LOCK]) != [(True,)]:
        return after, 0
    values = {
        "after": after,
        "settled": settled.total_seconds(),
        "limit": limit,
        "least": LEAST_AGREEMENT,
    }
    found = prepared.rows(DISPUTED, values)
    reached = found[0][0] or after
    reasons: dict[str, set[int]] = defaultdict(set)
    for _reached, item, differ, all_bad, flags in found:
        if item is not None:
            reasons[ReviewReason.DISAGREEMENT] |= {item} if differ else set()
            reasons[ReviewReason.ALL_BAD] |= {item} if all_bad else set()
            reasons[ReviewReason.FLAGS] |= {item} if flags else set()
    made = sum(_about_items(reason, Q(pk__in=items)) for reason, items in reasons.items() if items)
    made += _about_items(ReviewReason.REPORTED, Q(REPORTED, needs_review=True), limit)
    made += _about_items(ReviewReason.SKIPPED, Q(~REPORTED, needs_review=True), limit)
    made += _about_texts(ReviewReason.DEMONSTRATION, Demonstration, "demonstration", limit)
    made += _about_texts(ReviewReason.PROMPT, WrittenPrompt, "written_prompt", limit)
    return reached, made


def wants_review(item: Item) -> bool:
    """Whether a reviewer looks at the answer to this item to demonstrate, drawn by the project's share.

    Those of a qualification test they always look at.
    """
    if item.purpose == Purpose.TEST:
        return True
    share = QualityPolicy.objects.filter(project_id=item.project_id).values_list("review_demonstrations")
    return item.purpose == Purpose.WORK and random.random() < (share[0][0] if share else 0.0)


def _about_items(reason: str, which: Q, limit: int | None = None) -> int:
    asked = Item.objects.filter(subject=OuterRef("pk"), reason=reason)
    subjects = (
        Item.objects.filter(which, ~Exists(asked), purpose=Purpose.WORK, state=Item.State.OPEN)
        .exclude(kind=Kind.REVIEW)
        .select_related("prompt")
        .order_by("pk")[:limit]
    )
    return _create(
        Item(project_id=subject.project_id, prompt=subject.prompt, subject=subject, reason=reason)
        for subject in subjects
    )


def _about_texts(reason: str, texts: Any, name: str, limit: int) -> int:
    """Texts that want a review and have none under way: what was reviewed and then changed gets another."""
    waiting = Item.objects.filter(**{name: OuterRef("pk")}).exclude(slots__state=Slot.State.FILLED)
    wanted = texts.objects.filter(~Exists(waiting), wants_review=True).select_related("item__prompt")
    return ask_about(reason, wanted.order_by("pk")[:limit], name)


def ask_about(reason: str, texts: Iterable[Any], name: str) -> int:
    """Have a reviewer look at each of these texts, whose items are loaded; `name` is the field for one."""
    return _create(
        Item(project_id=text.project_id, prompt=text.item.prompt, reason=reason, **{name: text})
        for text in texts
    )


def _create(reviews: Iterable[Item]) -> int:
    """Write review items with their slots."""
    rows = list(reviews)
    for row in rows:
        row.kind, row.k, row.origin = Kind.REVIEW, 0, Origin.IMPORTED
    Item.objects.bulk_create(rows, batch_size=500)
    Slot.objects.bulk_create(
        Slot(
            item=row,
            number=0,
            project_id=row.project_id,
            kind=Kind.REVIEW,
            key=random_key(),
            language=row.prompt.language if row.prompt else "",
            sensitive=row.prompt.sensitive if row.prompt else [],
        )
        for row in rows
    )
    return len(rows)
