"""Reviews: giving one, and reading what was decided."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.db.models import Prefetch, QuerySet
from drf_spectacular.utils import extend_schema, extend_schema_field
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from labeling.actions import reviews
from labeling.api.answer_shapes import SubmittedShape
from labeling.api.assignments import AnswerView, submitted
from labeling.api.base import OneView
from labeling.api.lists import ListView, Page
from labeling.api.shapes import Extra, Moment, Pseudonym, Shape
from labeling.models import (
    InputMode,
    ItemCompletion,
    Kind,
    Project,
    Review,
    ReviewReason,
    ReviewRevision,
    Verdict,
)


class SentBack(Shape):
    labeler = serializers.IntegerField(min_value=1, help_text="As the review names them.")
    comment = serializers.CharField()


class ReviewBody(Shape):
    """Of answers: scores and tiers by letter, or the verdict that they stay as they are (accepted), or that
    the item leaves the queue (rejected). Of a text: a verdict on the revision that was read."""

    verdict = serializers.ChoiceField(Verdict.values, required=False)
    scores = serializers.DictField(child=serializers.IntegerField(), required=False)
    tiers = serializers.ListField(child=serializers.ListField(child=serializers.CharField()), required=False)
    tied = serializers.ListField(child=serializers.CharField(), required=False)
    returns = SentBack(many=True, required=False)
    revision = serializers.IntegerField(required=False)
    rating = serializers.IntegerField(required=False, help_text="On the rubric's scale.")
    edit = serializers.ListField(
        child=serializers.CharField(), required=False, help_text="The text's turns as they shall read."
    )
    comment = serializers.CharField(required=False, help_text="Of what is sent back: why.")
    active_seconds = serializers.FloatField(required=False)
    mode = serializers.ChoiceField(InputMode.values, required=False)


class ReviewRevisionBody(ReviewBody):
    base = serializers.IntegerField()


class SubmitReview(AnswerView):
    """Answer an item to review: 201 the first time, 200 for the same request again."""

    @extend_schema(request=ReviewBody, responses={200: SubmittedShape, 201: SubmittedShape})
    def post(self, request: Request, assignment: UUID) -> Response:
        return submitted(reviews.submit(self.held(Kind.REVIEW), self.body(request), self.key(request)))


class ReviseReview(AnswerView):
    """Change one's review: a new revision on the stated base, and what it says is done instead."""

    @extend_schema(request=ReviewRevisionBody, responses={200: SubmittedShape, 201: SubmittedShape})
    def post(self, request: Request, review: str) -> Response:
        return submitted(reviews.revise(self.here.the(Review), self.body(request), self.key(request)))


class DecidedShape(Shape):
    completion = serializers.CharField()
    score = serializers.IntegerField()
    rank = serializers.IntegerField(help_text="1 is best, equal ones are ties.")


@extend_schema_field(DecidedShape(many=True))
class Decided(serializers.Field[ReviewRevision, Any, list[dict[str, Any]], Any]):
    """The reviewer's own scores and order, in the item's; empty where they gave none."""

    def to_representation(self, revision: ReviewRevision) -> list[dict[str, Any]]:
        subject = revision.review.item.subject if revision.review.item else None
        if subject is None or revision.ranks is None:
            return []
        return [
            {
                "completion": part.completion.public_id,
                "score": revision.scores[part.position],
                "rank": revision.ranks[part.position],
            }
            for part in subject.item_completions.all()
        ]


class ReviewRevisionShape(Shape):
    number = serializers.IntegerField()
    base = serializers.IntegerField()
    verdict = serializers.ChoiceField(["", *Verdict.values])
    completions = Decided(source="*", read_only=True)
    rating = serializers.IntegerField(allow_null=True)
    edit = serializers.IntegerField(allow_null=True, help_text="The text's revision that the edit became.")
    comment = serializers.CharField()
    active_seconds = serializers.IntegerField()
    created_at = Moment()


@extend_schema_field(ReviewRevisionShape)
class LatestReview(serializers.Field[Review, Any, Any, Any]):
    def to_representation(self, review: Review) -> Any:
        return ReviewRevisionShape(review.revisions.all()[0]).data


class ReviewShape(Shape):
    review = serializers.CharField(source="public_id")
    reason = serializers.ChoiceField(ReviewReason.values, source="item.reason")
    item = serializers.CharField(source="item.subject.public_id", allow_null=True, default=None)
    demonstration = serializers.CharField(
        source="item.demonstration.public_id", allow_null=True, default=None
    )
    written_prompt = serializers.CharField(
        source="item.written_prompt.public_id", allow_null=True, default=None
    )
    reviewer = Pseudonym()
    extra = Extra(help_text="It came late, changed nothing and fills no slot.")
    created_at = Moment()
    latest = LatestReview(source="*", read_only=True)


class ReviewWhole(ReviewShape):
    history = ReviewRevisionShape(source="revisions", many=True, help_text="Newest first.")


class ReviewQuery(Page):
    reason = serializers.ChoiceField(ReviewReason.values, required=False, source="item__reason")
    created_after = serializers.DateTimeField(required=False, source="created_at__gt")


class Reviews(ListView):
    """A project's reviews as they now stand, newest first."""

    query = ReviewQuery
    shown = ReviewShape

    def rows(self) -> QuerySet[Review]:
        return _whole(self.here.membership.project)


class OneReview(OneView):
    """A review with all its revisions."""

    shown = ReviewWhole

    def thing(self) -> Review:
        return _whole(self.here.membership.project).get(pk=self.here.the(Review).pk)


def _whole(project: Project) -> QuerySet[Review]:
    parts = ItemCompletion.objects.select_related("completion").order_by("position")
    revisions = ReviewRevision.objects.select_related("review__item__subject").order_by("-number")
    return (
        Review.objects.filter(project=project)
        .select_related("item__subject", "item__demonstration", "item__written_prompt", "labeler", "project")
        .prefetch_related(
            Prefetch(
                "revisions",
                revisions.prefetch_related(Prefetch("review__item__subject__item_completions", parts)),
            )
        )
    )
