"""One's own assignment: show, renew, draft, release, skip, and the answers to it."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.http import Http404
from django.utils.translation import get_language
from rest_framework import status
from rest_framework.request import Request
from rest_framework.response import Response

from labeling.actions import demonstrations, queue, rankings
from labeling.actions.answers import Submitted, check_fields
from labeling.api.base import View
from labeling.models import Assignment, Demonstration, Draft, Kind, Ranking, Rubric

KEY_HEADER = "Idempotency-Key"


def payload(assignment: Assignment) -> dict[str, Any]:
    """All that a labeler's browser may know of an assignment: letters and texts, no ids, no models."""
    prompt = assignment.item.prompt
    return {
        "token": str(assignment.token),
        "kind": assignment.kind,
        "state": assignment.state,
        "lease_until": assignment.lease_until.isoformat(),
        "lease_seconds": int(queue.LEASE[assignment.kind].total_seconds()),
        "project": assignment.project.public_id,
        "prompt": {
            "messages": prompt.messages,
            "language": prompt.language,
            "use_case": prompt.use_case,
        },
        "completions": _completions(assignment) if assignment.kind == Kind.RANK else [],
        "rubric": _rubric(assignment.rubric),
        "draft": _draft(assignment),
    }


def _completions(assignment: Assignment) -> list[dict[str, str]]:
    texts = dict(assignment.item.item_completions.values_list("position", "completion__text"))
    return [
        {"letter": letter, "text": texts[position]}
        for letter, position in zip(rankings.LETTERS, assignment.shown_order, strict=False)
    ]


def _rubric(rubric: Rubric) -> dict[str, Any]:
    language = get_language() or "en"
    return {
        "version": rubric.version,
        "scale_min": rubric.scale_min,
        "scale_max": rubric.scale_max,
        "flags": [
            {
                "key": flag["key"],
                "label": flag.get(language) or flag["en"],
                "help": (flag.get("help") or {}).get(language) or (flag.get("help") or {}).get("en", ""),
            }
            for flag in rubric.flags
        ],
    }


def _draft(assignment: Assignment) -> dict[str, Any] | None:
    draft = Draft.objects.filter(assignment_id=assignment.pk).first()
    return {"sequence": draft.sequence, "body": draft.body} if draft else None


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


class Show(View):
    def post(self, request: Request, assignment: UUID) -> Response:
        return Response(payload(queue.show(self.here.the(Assignment))))


class Renew(View):
    def post(self, request: Request, assignment: UUID) -> Response:
        return Response({"lease_until": queue.renew(self.here.the(Assignment)).isoformat()})


class SaveDraft(View):
    def put(self, request: Request, assignment: UUID) -> Response:
        body = check_fields(self.body(request), frozenset({"sequence", "body"}))
        until = queue.save_draft(self.here.the(Assignment), body.get("sequence", -1), body.get("body", {}))
        return Response({"sequence": body["sequence"], "lease_until": until.isoformat() if until else None})


class Release(View):
    def post(self, request: Request, assignment: UUID) -> Response:
        queue.release(self.here.the(Assignment))
        return Response(status=status.HTTP_204_NO_CONTENT)


class Skip(View):
    def post(self, request: Request, assignment: UUID) -> Response:
        body = check_fields(self.body(request), frozenset({"reason", "comment"}))
        queue.skip(self.here.the(Assignment), body.get("reason", ""), body.get("comment", ""))
        return Response(status=status.HTTP_204_NO_CONTENT)


class AnswerView(View):
    def key(self, request: Request) -> str:
        return request.headers.get(KEY_HEADER, "")

    def held(self, kind: Kind) -> Assignment:
        """The assignment, if it asks for this kind of answer. Raises Http404."""
        held = self.here.the(Assignment)
        if held.kind != kind:
            raise Http404
        return held


class SubmitRanking(AnswerView):
    def post(self, request: Request, assignment: UUID) -> Response:
        return submitted(rankings.submit(self.held(Kind.RANK), self.body(request), self.key(request)))


class SubmitDemonstration(AnswerView):
    def post(self, request: Request, assignment: UUID) -> Response:
        held = self.held(Kind.DEMONSTRATE)
        return submitted(demonstrations.submit(held, self.body(request), self.key(request)))


class ReviseRanking(AnswerView):
    def post(self, request: Request, ranking: str) -> Response:
        given = self.here.the(Ranking)
        return submitted(rankings.revise(given, self.body(request), self.key(request)))


class ReviseDemonstration(AnswerView):
    def post(self, request: Request, demonstration: str) -> Response:
        written = self.here.the(Demonstration)
        return submitted(demonstrations.revise(written, self.body(request), self.key(request)))
