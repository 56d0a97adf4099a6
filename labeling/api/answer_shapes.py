"""What an assignment and the answers to it look like, for the API's description.

The views beside it read and write plain dictionaries: this is the path that every answer takes.
"""

from __future__ import annotations

from rest_framework import serializers

from labeling.actions.leases import SKIP_REASONS
from labeling.api.shapes import Shape
from labeling.models import (
    Assignment,
    InputMode,
    Kind,
    PromptKind,
    RankingMethod,
    ReviewReason,
    Sensitive,
)


class OptionalHtml(Shape):
    html = serializers.CharField(required=False, help_text="With ?html=true.")


class AskedTurn(OptionalHtml):
    role = serializers.ChoiceField(["system", "user", "assistant"])
    content = serializers.CharField()


class AskedPrompt(Shape):
    messages = AskedTurn(many=True)
    language = serializers.CharField()
    use_case = serializers.CharField()
    sensitive = serializers.ListField(
        child=serializers.ChoiceField(Sensitive.values), help_text="What a reader may want to be spared."
    )


class LetteredCompletion(OptionalHtml):
    letter = serializers.CharField()
    text = serializers.CharField()


class FlagShape(Shape):
    key = serializers.CharField()
    label = serializers.CharField()  # type: ignore[assignment]
    help = serializers.CharField()
    help_html = serializers.CharField()
    required = serializers.BooleanField(help_text="Each completion wants a yes (`flags`) or a no (`denied`).")  # type: ignore[assignment]


class RubricShape(Shape):
    version = serializers.IntegerField()
    scale_min = serializers.IntegerField()
    scale_max = serializers.IntegerField()
    help = serializers.CharField(help_text="What the scale means, Markdown.")
    help_html = serializers.CharField()
    flags = FlagShape(many=True, help_text="Those that are asked at a prompt of this use case.")


class DraftShape(Shape):
    sequence = serializers.IntegerField(min_value=0, max_value=2**53 - 1)
    body = serializers.DictField(help_text="What the page makes of it; the server keeps it as it is.")


class BriefShape(Shape):
    kind = serializers.ChoiceField(PromptKind.values)
    note = serializers.CharField()


class ReviewedAnswer(Shape):
    labeler = serializers.IntegerField(help_text="1, 2, 3 … in an order drawn for this review.")
    scores = serializers.DictField(child=serializers.IntegerField(), help_text="By letter.")
    tiers = serializers.ListField(
        child=serializers.ListField(child=serializers.CharField()),
        allow_null=True,
        help_text="Best first; null: all bad, without an order.",
    )
    flags = serializers.DictField(child=serializers.ListField(child=serializers.CharField()))
    all_bad = serializers.BooleanField()
    comment = serializers.CharField()


class ReviewedSkip(Shape):
    reason = serializers.CharField()
    comment = serializers.CharField()


class ReviewedTurn(Shape):
    role = serializers.ChoiceField(["system", "user", "assistant"])
    content = serializers.CharField()


class AboutShape(Shape):
    """What a review is about: an item's answers, or a text. Nobody's name is in it."""

    reason = serializers.ChoiceField(ReviewReason.values)
    answers = ReviewedAnswer(many=True)
    skips = ReviewedSkip(many=True)
    turns = ReviewedTurn(many=True, help_text="The text, turn by turn; empty where answers are reviewed.")
    revision = serializers.IntegerField(allow_null=True, help_text="Of the text; a verdict names it.")
    flags = serializers.ListField(
        child=serializers.CharField(), help_text="What the author of a prompt says of it."
    )


class AssignmentShape(Shape):
    """A labeler's lease on an item. Completions are known by letters, in an order drawn for this labeler."""

    token = serializers.UUIDField()
    kind = serializers.ChoiceField(Kind.values)
    state = serializers.ChoiceField(Assignment.State.values)
    method = serializers.ChoiceField(
        RankingMethod.values, allow_blank=True, help_text="How the page asks for the order; empty: no order."
    )
    lease_until = serializers.DateTimeField()
    lease_seconds = serializers.IntegerField()
    project = serializers.CharField()
    prompt = AskedPrompt(help_text="Without messages where one is to be written.")
    brief = BriefShape(allow_null=True, help_text="Of a prompt to be written; else null.")
    completions = LetteredCompletion(many=True, help_text="Empty unless they are to be ranked.")
    rubric = RubricShape()
    draft = DraftShape(allow_null=True)
    review = AboutShape(required=False, help_text="Of a review only.")


class StoredShape(Shape):
    answer = serializers.CharField()
    revision = serializers.IntegerField(help_text="To be stated as the base of a change.")


class HeldShape(Shape):
    assignment = AssignmentShape()
    stored = StoredShape(allow_null=True, help_text="The answer to it; null where there is none.")


class ReleaseBody(Shape):
    ahead = serializers.BooleanField(
        required=False, help_text="Only while it is loaded ahead: another page may have shown it meanwhile."
    )


class LetteredHtml(Shape):
    letter = serializers.CharField()
    html = serializers.CharField()


class AssignmentHtmlShape(Shape):
    messages = serializers.ListField(child=serializers.CharField(), help_text="The prompt's, in order.")
    completions = LetteredHtml(many=True)


class LeaseShape(Shape):
    lease_until = serializers.DateTimeField()


class SavedShape(Shape):
    sequence = serializers.IntegerField()
    lease_until = serializers.DateTimeField(allow_null=True, help_text="Null where the lease is over.")


class SkipBody(Shape):
    reason = serializers.ChoiceField(SKIP_REASONS)
    comment = serializers.CharField(required=False, allow_blank=True)


class TimedBody(Shape):
    active_seconds = serializers.FloatField(
        required=False, min_value=0, max_value=10**7, help_text="Capped by the time since it was first shown."
    )


class GivenRanking(Shape):
    scores = serializers.DictField(child=serializers.IntegerField(), help_text="By letter.")
    tiers = serializers.ListField(
        child=serializers.ListField(child=serializers.CharField(), allow_empty=False),
        allow_null=True,
        required=False,
        help_text="Letters, best first. Null or left out with `all_bad` alone.",
    )
    tied = serializers.ListField(child=serializers.CharField(), required=False)
    flags = serializers.DictField(child=serializers.ListField(child=serializers.CharField()), required=False)
    denied = serializers.DictField(
        child=serializers.ListField(child=serializers.CharField()),
        required=False,
        help_text="Flags that do not apply, by letter. Required ones want one or the other.",
    )
    moved = serializers.ListField(
        child=serializers.CharField(), required=False, help_text="Letters placed by hand, not by their score."
    )
    all_bad = serializers.BooleanField(required=False)
    comment = serializers.CharField(required=False, allow_blank=True)


class RankingBody(GivenRanking, TimedBody):
    mode = serializers.ChoiceField(InputMode.values, required=False)


class RankingRevisionBody(RankingBody):
    base = serializers.IntegerField(help_text="The number of the revision that this one changes.")


class TextTelemetry(TimedBody):
    pasted_share = serializers.FloatField(
        required=False,
        allow_null=True,
        min_value=0,
        max_value=1,
        help_text="Of the characters, those that were pasted; null where nobody counted.",
    )


class DemonstrationBody(TextTelemetry):
    text = serializers.CharField()


class DemonstrationRevisionBody(DemonstrationBody):
    base = serializers.IntegerField(help_text="The number of the revision that this one changes.")


class SubmittedShape(Shape):
    answer = serializers.CharField(help_text="The answer's id, for later revisions.")
    revision = serializers.IntegerField()
    extra = serializers.BooleanField(help_text="It came late and fills no slot; it is kept.")
    conflicts = serializers.IntegerField(help_text="Pairs that scores and order put the other way round.")
