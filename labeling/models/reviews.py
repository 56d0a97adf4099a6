"""Reviews: what a reviewer decides of others' answers, and what is sent back to its writer."""

from __future__ import annotations

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models.functions import Now

from labeling.models.answers import Answer, Revision
from labeling.models.demonstrations import Verdict
from labeling.models.ids import public_id


class Review(Answer):
    """The answer to an item of kind review: what it is about is the item's subject."""

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=models.Q(item__isnull=False, assignment__isnull=False, labeler__isnull=False),
                name="review_whole",
            ),
            models.UniqueConstraint(fields=["item", "labeler"], name="review_labeler_once"),
        ]

    def __str__(self) -> str:
        return f"review {self.public_id}"


class ReviewRevision(Revision):
    """Of rankings: the reviewer's own `scores` and `ranks`, over the subject's positions. Of a text: a
    `verdict`, a `rating` on the rubric's scale, and where it was edited the number of the revision that the
    edit became.
    """

    review = models.ForeignKey(Review, on_delete=models.PROTECT, related_name="revisions", db_index=False)
    scores = ArrayField(models.PositiveSmallIntegerField(), default=list)
    ranks = ArrayField(models.PositiveSmallIntegerField(), null=True)
    verdict = models.CharField(max_length=8, choices=Verdict, blank=True, default="")
    rating = models.PositiveSmallIntegerField(null=True)
    edit = models.PositiveIntegerField(null=True)
    comment = models.TextField(blank=True, default="")

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["review", "number"], name="review_revision_once"),
            models.UniqueConstraint(fields=["labeler", "idempotency_key"], name="review_key_once"),
        ]

    def __str__(self) -> str:
        return f"{self.review_id} revision {self.number}"


class Return(models.Model):
    """An answer sent back to who gave it, with a comment.

    open ──the labeler revises, or replies──► answered ──a reviewer──► closed
    open ──a reviewer takes it back──► closed

    Neither side learns who the other is.
    """

    class State(models.TextChoices):
        OPEN = "open"
        ANSWERED = "answered"
        CLOSED = "closed"

    public_id = models.CharField(max_length=16, unique=True, default=public_id, editable=False)
    project = models.ForeignKey("Project", on_delete=models.PROTECT, related_name="returns")
    review = models.ForeignKey(Review, on_delete=models.PROTECT, null=True, related_name="returns")
    ranking = models.ForeignKey("Ranking", on_delete=models.PROTECT, null=True, related_name="returns")
    demonstration = models.ForeignKey(
        "Demonstration", on_delete=models.PROTECT, null=True, related_name="returns"
    )
    written_prompt = models.ForeignKey(
        "WrittenPrompt", on_delete=models.PROTECT, null=True, related_name="returns"
    )
    labeler = models.ForeignKey("User", on_delete=models.PROTECT, related_name="returns")
    reviewer = models.ForeignKey("User", on_delete=models.PROTECT, related_name="+")
    comment = models.TextField()
    reply = models.TextField(blank=True, default="")
    state = models.CharField(max_length=8, choices=State, default=State.OPEN)
    created_at = models.DateTimeField(db_default=Now(), editable=False)
    answered_at = models.DateTimeField(null=True, blank=True)
    closed_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=models.Q(ranking__isnull=False, demonstration=None, written_prompt=None)
                | models.Q(ranking=None, demonstration__isnull=False, written_prompt=None)
                | models.Q(ranking=None, demonstration=None, written_prompt__isnull=False),
                name="return_of_one_answer",
            ),
            models.CheckConstraint(condition=~models.Q(comment=""), name="return_says_why"),
        ]
        indexes = [
            models.Index(fields=["labeler", "project"], condition=models.Q(state="open"), name="return_open"),
        ]

    def __str__(self) -> str:
        return f"return {self.public_id}: {self.state}"
