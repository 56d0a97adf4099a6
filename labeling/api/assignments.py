"""One's own assignment: show, renew, draft, release, skip, and the answers to it."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.utils.translation import get_language
from rest_framework import status
from rest_framework.request import Request
from rest_framework.response import Response

from labeling import access
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
    def post(self, request: Request, token: UUID) -> Response:
        return Response(payload(queue.show(access.assignment(self.person(request), token))))


class Renew(View):
    def post(self, request: Request, token: UUID) -> Response:
        until = queue.renew(access.assignment(self.person(request), token))
        return Response({"lease_until": until.isoformat()})


class SaveDraft(View):
    def put(self, request: Request, token: UUID) -> Response:
        held = access.assignment(self.person(request), token)
        body = check_fields(self.body(request), frozenset({"sequence", "body"}))
        until = queue.save_draft(held, body.get("sequence", -1), body.get("body", {}))
        return Response({"sequence": body["sequence"], "lease_until": until.isoformat() if until else None})


class Release(View):
    def post(self, request: Request, token: UUID) -> Response:
        queue.release(access.assignment(self.person(request), token))
        return Response(status=status.HTTP_204_NO_CONTENT)


class Skip(View):
    def post(self, request: Request, token: UUID) -> Response:
        held = access.assignment(self.person(request), token)
        body = check_fields(self.body(request), frozenset({"reason", "comment"}))
        queue.skip(held, body.get("reason", ""), body.get("comment", ""))
        return Response(status=status.HTTP_204_NO_CONTENT)


class SubmitRanking(View):
    def post(self, request: Request, token: UUID) -> Response:
        held = access.assignment(self.person(request), token, kind=Kind.RANK)
        return submitted(rankings.submit(held, self.body(request), request.headers.get(KEY_HEADER, "")))


class SubmitDemonstration(View):
    def post(self, request: Request, token: UUID) -> Response:
        held = access.assignment(self.person(request), token, kind=Kind.DEMONSTRATE)
        return submitted(demonstrations.submit(held, self.body(request), request.headers.get(KEY_HEADER, "")))


class ReviseRanking(View):
    def post(self, request: Request, answer: str) -> Response:
        ranking = access.own_answer(self.person(request), Ranking, answer)
        return submitted(rankings.revise(ranking, self.body(request), request.headers.get(KEY_HEADER, "")))


class ReviseDemonstration(View):
    def post(self, request: Request, answer: str) -> Response:
        demonstration = access.own_answer(self.person(request), Demonstration, answer)
        return submitted(
            demonstrations.revise(demonstration, self.body(request), request.headers.get(KEY_HEADER, ""))
        )
