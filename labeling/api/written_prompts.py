"""Prompts that labelers write: giving one, reading what was given, and asking for more."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.db.models import Prefetch, QuerySet
from drf_spectacular.utils import extend_schema, extend_schema_field
from rest_framework import serializers, status
from rest_framework.request import Request
from rest_framework.response import Response

from labeling.actions import items, written_prompts
from labeling.actions.import_rows import LENGTHS
from labeling.api.answer_shapes import SubmittedShape, TextTelemetry
from labeling.api.assignments import AnswerView, submitted
from labeling.api.base import OneView, View
from labeling.api.lists import ListView, Page
from labeling.api.own_revisions import OwnRevisions, own_revisions
from labeling.api.shapes import Extra, Moment, Pseudonym, Shape, ShownMessages
from labeling.models import (
    Kind,
    Project,
    PromptFlag,
    PromptKind,
    UseCase,
    Verdict,
    WrittenPrompt,
    WrittenPromptRevision,
)


class SentTurn(Shape):
    role = serializers.ChoiceField(["system", "user", "assistant"])
    content = serializers.CharField()


class GivenPrompt(Shape):
    messages = SentTurn(
        many=True,
        help_text="One turn of the user's; few-shot: the instruction as the system's turn, examples as turns "
        "of user and assistant, and the last question.",
    )
    use_case = serializers.ChoiceField(
        UseCase.values, required=False, help_text="Wanted where the brief leaves it open."
    )
    language = serializers.CharField(required=False, help_text="The same.")
    flags = serializers.ListField(child=serializers.ChoiceField(PromptFlag.values), required=False)


class WrittenPromptBody(GivenPrompt, TextTelemetry):
    pass


class WrittenPromptRevisionBody(WrittenPromptBody):
    base = serializers.IntegerField(help_text="The number of the revision that this one changes.")


class SubmitWrittenPrompt(AnswerView):
    """Give the prompt that an item asks for: 201 the first time, 200 for the same request again.

    It becomes one of the project's prompts after ten minutes, in which it may be changed.
    """

    @extend_schema(request=WrittenPromptBody, responses={200: SubmittedShape, 201: SubmittedShape})
    def post(self, request: Request, assignment: UUID) -> Response:
        held = self.held(Kind.PROMPT)
        return submitted(written_prompts.submit(held, self.body(request), self.key(request)))


class ReviseWrittenPrompt(AnswerView):
    @extend_schema(operation_id="own_prompt_revisions", responses={200: OwnRevisions})
    def get(self, request: Request, written_prompt: str) -> Response:
        """All versions of a prompt of one's own, newest first."""
        return own_revisions(self.here.the(WrittenPrompt), written_prompts.as_given)

    @extend_schema(request=WrittenPromptRevisionBody, responses={200: SubmittedShape, 201: SubmittedShape})
    def post(self, request: Request, written_prompt: str) -> Response:
        """Change one's prompt, while it is not one of the project's: a new revision on the stated base."""
        written = self.here.the(WrittenPrompt)
        return submitted(written_prompts.revise(written, self.body(request), self.key(request)))


# --- for reviewers and leads ---------------------------------------------------------------------------


class WrittenPromptRevisionShape(Shape):
    number = serializers.IntegerField()
    base = serializers.IntegerField()
    kind = serializers.ChoiceField(PromptKind.values)
    messages = ShownMessages()
    use_case = serializers.CharField()
    language = serializers.CharField()
    flags = serializers.ListField(child=serializers.CharField())
    pasted_share = serializers.FloatField(
        allow_null=True, help_text="Of its characters, as the page counted them."
    )
    active_seconds = serializers.IntegerField()
    created_at = Moment()


@extend_schema_field(WrittenPromptRevisionShape)
class LatestWrittenPrompt(serializers.Field[WrittenPrompt, Any, Any, Any]):
    def to_representation(self, written: WrittenPrompt) -> Any:
        return WrittenPromptRevisionShape(written.revisions.all()[0]).data


class WrittenPromptShape(Shape):
    written_prompt = serializers.CharField(source="public_id")
    item = serializers.CharField(source="item.public_id")
    prompt = serializers.CharField(
        source="prompt.public_id", allow_null=True, help_text="Once it is one of the project's."
    )
    labeler = Pseudonym()
    simulated = serializers.BooleanField(source="is_simulated")
    wants_review = serializers.BooleanField()
    verdict = serializers.ChoiceField(["", *Verdict.values])
    extra = Extra(help_text="It came late and fills no slot.")
    created_at = Moment()
    latest = LatestWrittenPrompt(source="*", read_only=True)


class WrittenPromptWhole(WrittenPromptShape):
    history = WrittenPromptRevisionShape(source="revisions", many=True, help_text="Newest first.")


class WrittenPromptQuery(Page):
    wants_review = serializers.BooleanField(required=False)
    simulated = serializers.BooleanField(required=False, source="is_simulated")
    created_after = serializers.DateTimeField(required=False, source="created_at__gt")


class WrittenPrompts(ListView):
    """The prompts that labelers have written, as they now stand, newest first."""

    query = WrittenPromptQuery
    shown = WrittenPromptShape

    def rows(self) -> QuerySet[WrittenPrompt]:
        return _whole(self.here.membership.project)


class OneWrittenPrompt(OneView):
    """A prompt that a labeler wrote, with all its revisions."""

    shown = WrittenPromptWhole

    def thing(self) -> WrittenPrompt:
        return _whole(self.here.membership.project).get(pk=self.here.the(WrittenPrompt).pk)


def _whole(project: Project) -> QuerySet[WrittenPrompt]:
    revisions = WrittenPromptRevision.objects.order_by("-number")
    return (
        WrittenPrompt.objects.filter(project=project)
        .select_related("prompt", "item", "labeler", "project")
        .prefetch_related(Prefetch("revisions", revisions))
    )


class AskBody(Shape):
    """What is left out is the labelers' to choose."""

    count = serializers.IntegerField(min_value=1, max_value=items.MOST_PROMPTS)
    kind = serializers.ChoiceField(PromptKind.values)
    use_case = serializers.ChoiceField(UseCase.values, required=False)
    language = serializers.CharField(required=False, max_length=LENGTHS["language"])
    note = serializers.CharField(
        required=False, help_text="User-based: who would ask, and what for. Else any hint."
    )
    demonstrate = serializers.BooleanField(
        default=False, help_text="Also queue each for an answer to be written, once it is there."
    )


class AskedFor(Shape):
    items = serializers.IntegerField(help_text="New items in the queue.")


class AskForPrompts(View):
    """Ask labelers to write prompts, each an item of the queue."""

    @extend_schema(request=AskBody, responses={201: AskedFor})
    def post(self, request: Request, project: str) -> Response:
        asked = self.taken(request, AskBody)
        made = items.ask_for_prompts(self.here.membership.project, actor=self.here.person, **asked)
        return Response({"items": made}, status=status.HTTP_201_CREATED)
