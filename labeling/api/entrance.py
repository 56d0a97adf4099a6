"""How a request to the API comes in."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rest_framework.permissions import BasePermission
from rest_framework.request import Request

from labeling.doors import NotSignedIn, enter

if TYPE_CHECKING:  # rest_framework.views loads this module by its name in the settings
    from rest_framework.views import APIView


class MayEnter(BasePermission):
    """The door of this address (doors.py), once the request's sign-in is known. The view gets `here`."""

    def has_permission(self, request: Request, view: APIView) -> bool:
        assert request.resolver_match is not None
        try:
            view.here = enter(request.user, request.resolver_match.view_name, view.kwargs)  # type: ignore[attr-defined]
        except NotSignedIn:
            return False
        return True
