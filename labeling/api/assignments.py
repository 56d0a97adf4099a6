"""One's own assignment: show, renew, draft, release, skip, and the answers to it."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.http import Http404
from drf_spectacular.utils import extend_schema
from rest_framework import serializers, status
from rest_framework.request import Request
from rest_framework.response import Response

from labeling.actions import demonstrations, leases, rankings, reviewed
from labeling.actions.answers import Submitted, check_fields
from labeling.actions.shown import Shown, shown
from labeling.actions.slots import stored
from labeling.api.answer_shapes import (
    AssignmentHtmlShape,
    AssignmentShape,
    DemonstrationBody,
    DemonstrationRevisionBody,
    DraftShape,
    HeldShape,
    LeaseShape,
    RankingBody,
    RankingRevisionBody,
    ReleaseBody,
    SavedShape,
    SkipBody,
    SubmittedShape,
)
from labeling.api.base import OneView, Query, View
from labeling.api.own_revisions import OwnRevisions, own_revisions
from labeling.api.rubrics import described
from labeling.api.shapes import read_as_markdown, shown_text
from labeling.models import Assignment, Demonstration, Kind, Ranking

KEY_HEADER = "Idempotency-Key"


class HtmlQuery(Query):
    """Setting a long answer as HTML costs more than everything else about it: who wants it says so."""

    html = serializers.BooleanField(default=False, help_text="Also give each text as safe HTML.")


def payload(assignment: Assignment, *, html: bool = False) -> dict[str, Any]:
    """All that a labeler's browser may know of an assignment: letters and texts, no ids, no models."""
    if assignment.kind == Kind.REVIEW:
        seen = reviewed.look(assignment)
        return {**describe(seen.lettered, seen.shown, html=html), "review": seen.about}
    return describe(assignment, shown(assignment), html=html)


def describe(assignment: Assignment, seen: Shown, *, html: bool) -> dict[str, Any]:
    """The payload of an assignment from what stands behind it."""
    texts = [seen.texts[position] for position in assignment.shown_order]
    return {
        "token": str(assignment.token),
        "kind": assignment.kind,
        "state": assignment.state,
        "method": assignment.method,
        "lease_until": assignment.lease_until.isoformat(),
        "lease_seconds": int(leases.LEASE[assignment.kind].total_seconds()),
        "project": seen.project,
        "prompt": {
            "messages": [{**turn, "html": read_as_markdown(turn["content"])} for turn in seen.messages]
            if html
            else seen.messages,
            "language": seen.language,
            "use_case": seen.use_case,
            "sensitive": seen.sensitive,
        },
        "brief": seen.brief and {name: seen.brief[name] for name in ("kind", "note")},
        "completions": [
            {"letter": letter, **(shown_text(text) if html else {"text": text})}
            for letter, text in zip(rankings.LETTERS, texts, strict=False)
        ],
        "rubric": described(seen.rubric, seen.rubric.asked(seen.use_case)),
        "draft": seen.draft,
    }


def submitted(result: Submitted) -> Response:
    return Response(
        {
            "answer": result.answer.public_id,
            "revision": result.revision,
            "extra": result.extra,
            "conflicts": result.conflicts,
        },
        status=status.HTTP_201_CREATED if result.created else status.HTTP_200_OK,
    )


class Held(OneView):
    """One's own assignment, whatever has become of it, and the answer that was given.

    Work that was left unfinished in a browser is gone on with by it, also after the lease has ended.
    """

    shown = HeldShape

    def thing(self) -> dict[str, Any]:
        held = self.here.the(Assignment)
        return {"assignment": payload(held), "stored": stored(held)}


class Html(OneView):
    """The texts of one's assignment, read as Markdown, as safe HTML.

    A page shows the texts themselves at once, and asks for this where somebody wants to read them so.
    """

    shown = AssignmentHtmlShape

    def thing(self) -> dict[str, Any]:
        held = self.here.the(Assignment)
        seen = shown(held)
        texts = [seen.texts[position] for position in held.shown_order]
        return {
            "messages": [read_as_markdown(turn["content"]) for turn in seen.messages],
            "completions": [
                {"letter": letter, "html": read_as_markdown(text)}
                for letter, text in zip(rankings.LETTERS, texts, strict=False)
            ],
        }


class Show(View):
    """The reserved item is on the screen now: its lease begins."""

    query = HtmlQuery

    @extend_schema(request=None, responses={200: AssignmentShape})
    def post(self, request: Request, assignment: UUID) -> Response:
        return Response(payload(leases.show(self.here.the(Assignment)), **self.asked))


class Renew(View):
    """Somebody is still working on it: the lease runs anew."""

    @extend_schema(request=None, responses={200: LeaseShape})
    def post(self, request: Request, assignment: UUID) -> Response:
        return Response({"lease_until": leases.renew(self.here.the(Assignment)).isoformat()})


class SaveDraft(View):
    """Keep what has been done so far, and renew the lease.

    The higher sequence number wins. A lower one, or the same with another body, is refused with the draft
    that is stored.
    """

    @extend_schema(request=DraftShape, responses={200: SavedShape})
    def put(self, request: Request, assignment: UUID) -> Response:
        body = check_fields(self.body(request), frozenset({"sequence", "body"}))
        until = leases.save_draft(self.here.the(Assignment), body.get("sequence", -1), body.get("body", {}))
        return Response({"sequence": body["sequence"], "lease_until": until.isoformat() if until else None})


class Release(View):
    """Give an unfinished item back; its draft stays for when it comes again."""

    @extend_schema(request=ReleaseBody, responses={204: None})
    def post(self, request: Request, assignment: UUID) -> Response:
        leases.release(self.here.the(Assignment), ahead=self.taken(request, ReleaseBody).get("ahead", False))
        return Response(status=status.HTTP_204_NO_CONTENT)


class Skip(View):
    """Pass on an item for good, with a reason."""

    @extend_schema(request=SkipBody, responses={204: None})
    def post(self, request: Request, assignment: UUID) -> Response:
        body = check_fields(self.body(request), frozenset({"reason", "comment"}))
        leases.skip(self.here.the(Assignment), body.get("reason", ""), body.get("comment", ""))
        return Response(status=status.HTTP_204_NO_CONTENT)


class AnswerView(View):
    wants_key = True

    def key(self, request: Request) -> str:
        return request.headers.get(KEY_HEADER, "")

    def held(self, kind: Kind) -> Assignment:
        """The assignment, if it asks for this kind of answer. Raises Http404."""
        held = self.here.the(Assignment)
        if held.kind != kind:
            raise Http404
        return held


class SubmitRanking(AnswerView):
    """Answer an item to rank: 201 the first time, 200 for the same request again.

    Every completion wants a score, and its letter in one tier; those that share a tier must stand in `tied`.
    Only an all-bad answer may leave the tiers out. A late answer is kept, too.
    """

    @extend_schema(request=RankingBody, responses={200: SubmittedShape, 201: SubmittedShape})
    def post(self, request: Request, assignment: UUID) -> Response:
        return submitted(rankings.submit(self.held(Kind.RANK), self.body(request), self.key(request)))


class SubmitDemonstration(AnswerView):
    """Answer an item to demonstrate: 201 the first time, 200 for the same request again."""

    @extend_schema(request=DemonstrationBody, responses={200: SubmittedShape, 201: SubmittedShape})
    def post(self, request: Request, assignment: UUID) -> Response:
        held = self.held(Kind.DEMONSTRATE)
        return submitted(demonstrations.submit(held, self.body(request), self.key(request)))


class ReviseRanking(AnswerView):
    """Change one's ranking: a new revision on the stated base."""

    @extend_schema(request=RankingRevisionBody, responses={200: SubmittedShape, 201: SubmittedShape})
    def post(self, request: Request, ranking: str) -> Response:
        given = self.here.the(Ranking)
        return submitted(rankings.revise(given, self.body(request), self.key(request)))


class ReviseDemonstration(AnswerView):
    @extend_schema(operation_id="own_demonstration_revisions", responses={200: OwnRevisions})
    def get(self, request: Request, demonstration: str) -> Response:
        """All versions of a demonstration of one's own, newest first."""
        return own_revisions(self.here.the(Demonstration), lambda revision: {"text": revision.text})

    @extend_schema(request=DemonstrationRevisionBody, responses={200: SubmittedShape, 201: SubmittedShape})
    def post(self, request: Request, demonstration: str) -> Response:
        """Change one's demonstration: a new revision on the stated base."""
        written = self.here.the(Demonstration)
        return submitted(demonstrations.revise(written, self.body(request), self.key(request)))
