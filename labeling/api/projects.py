"""A labeler's projects, and the next item of one."""

from __future__ import annotations

from django.utils.translation import gettext as _
from rest_framework.request import Request
from rest_framework.response import Response

from labeling import access
from labeling.actions import items, queue
from labeling.actions.answers import check_fields
from labeling.actions.errors import BadInput
from labeling.api.assignments import payload
from labeling.api.base import View
from labeling.models import Kind


class Projects(View):
    """GET: the projects that one is a member of, with what there is to do in each."""

    def get(self, request: Request) -> Response:
        return Response(
            [
                {
                    "project": member.project.public_id,
                    "name": member.project.name,
                    "role": member.role,
                    "open": {kind: items.open_for(member, kind) for kind in Kind.values},
                }
                for member in access.projects(self.here.person)
            ]
        )


class Next(View):
    """POST {"kind", "ahead"}: one's open item, or a new one; ahead: the one after it, reserved."""

    def post(self, request: Request, project: str) -> Response:
        body = check_fields(self.body(request), frozenset({"kind", "ahead"}))
        kind, ahead = body.get("kind"), body.get("ahead", False)
        if kind not in Kind.values:
            raise BadInput(_("Choose one of: %(kinds)s.") % {"kinds": ", ".join(Kind.values)}, field="kind")
        if not isinstance(ahead, bool):
            raise BadInput(_("True or false is wanted."), field="ahead")
        claimed = queue.claim(self.here.membership, kind, ahead=ahead)
        if claimed is None:
            return Response(
                {"assignment": None, "reason": _("There is nothing for you to do here right now.")}
            )
        return Response({"assignment": payload(claimed), "reason": ""})
