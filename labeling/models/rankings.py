"""Rankings: the answers to items with K completions."""

from __future__ import annotations

from django.contrib.postgres.fields import ArrayField
from django.db import models

from labeling.models.answers import Answer, Revision
from labeling.models.projects import RankingMethod
from labeling.models.queue import MAX_K


class InputMode(models.TextChoices):
    KEYS = "keys"
    POINTER = "pointer"
    MIXED = "mixed"
    API = "api"


class Ranking(Answer):
    """`is_repeat`: the same labeler ranked the item before and did not know it; no dataset takes it."""

    is_repeat = models.BooleanField(default=False)

    def __str__(self) -> str:
        return f"ranking {self.public_id}"

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=models.Q(item__isnull=False, assignment__isnull=False, labeler__isnull=False),
                name="ranking_whole",
            ),
            models.UniqueConstraint(
                fields=["item", "labeler"],
                condition=models.Q(is_repeat=False),
                name="ranking_labeler_once",
            ),
            models.UniqueConstraint(fields=["id", "item"], name="ranking_of_item"),
        ]


class RankingRevision(Revision):
    """Arrays are over the item's positions; their lengths are the item's K, by the database.

    `ranks[i]`: 1 is the best tier, equal numbers are ties; null where an all-bad answer gives no order.
    `flags[i]`: a bit mask over the rubric's flags; `denied[i]`: of those that were answered with no.
    `method`: how the order was come to; empty where a program gave it. `moved[i]`: placed by hand, not seeded
    by its score.
    `conflicts`: pairs that the scores and the order put the other way round; both are kept.
    """

    ranking = models.ForeignKey(Ranking, on_delete=models.PROTECT, related_name="revisions", db_index=False)
    item = models.ForeignKey("Item", on_delete=models.PROTECT, related_name="+", db_index=False)
    k = models.PositiveSmallIntegerField()
    rubric = models.ForeignKey("Rubric", on_delete=models.PROTECT, related_name="+", db_index=False)
    scores = ArrayField(models.PositiveSmallIntegerField())
    ranks = ArrayField(models.PositiveSmallIntegerField(), null=True)
    flags = ArrayField(models.BigIntegerField())
    denied = ArrayField(models.BigIntegerField(), default=list)
    moved = ArrayField(models.BooleanField())
    all_bad = models.BooleanField(default=False)
    comment = models.TextField(blank=True, default="")
    mode = models.CharField(max_length=8, choices=InputMode)
    method = models.CharField(max_length=8, choices=RankingMethod, blank=True, default="")
    conflicts = models.PositiveSmallIntegerField(default=0)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["ranking", "number"], name="ranking_revision_once"),
            models.UniqueConstraint(fields=["labeler", "idempotency_key"], name="ranking_key_once"),
            models.CheckConstraint(
                condition=models.Q(
                    scores__len=models.F("k"), flags__len=models.F("k"), moved__len=models.F("k")
                )
                & (models.Q(denied__len=0) | models.Q(denied__len=models.F("k")))
                & (models.Q(ranks__isnull=True) | models.Q(ranks__len=models.F("k"))),
                name="ranking_lengths",
            ),
            models.CheckConstraint(
                condition=models.Q(ranks__isnull=False) | models.Q(all_bad=True),
                name="ranking_order_or_all_bad",
            ),
            models.CheckConstraint(condition=models.Q(k__gte=2, k__lte=MAX_K), name="ranking_k"),
        ]

    def __str__(self) -> str:
        return f"{self.ranking_id} revision {self.number}"
