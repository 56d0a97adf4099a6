"""How a request to the API comes in: by a personal token or the pages' session, and through its door."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.utils.translation import gettext_lazy as _
from rest_framework.authentication import BaseAuthentication, get_authorization_header
from rest_framework.exceptions import AuthenticationFailed, PermissionDenied
from rest_framework.permissions import BasePermission
from rest_framework.request import Request

from labeling.actions import tokens
from labeling.doors import ANYONE, NotSignedIn, door, enter
from labeling.models import ApiToken, User

if TYPE_CHECKING:  # rest_framework.views loads this module by its name in the settings
    from rest_framework.views import APIView


class BadToken(AuthenticationFailed):
    """One message for a token that never was, one that has expired and one that was revoked."""

    default_code = "bad_token"
    default_detail = _("This token is not valid.")


class PasswordFirst(PermissionDenied):
    default_code = "password_change_required"
    default_detail = _("Sign in on the pages and replace your one-time password first.")


class TokenAuthentication(BaseAuthentication):
    """`Authorization: Bearer rl_…`. It stands first, so that nobody is answered 401 and how to sign in."""

    scheme = "Bearer"

    def authenticate(self, request: Request) -> tuple[User, ApiToken] | None:
        scheme, _space, secret = get_authorization_header(request).partition(b" ")
        if scheme.lower() != self.scheme.lower().encode():
            return None
        token = tokens.find(secret.strip().decode("latin-1"))
        if token is None:
            raise BadToken
        return token.user, token

    def authenticate_header(self, request: Request) -> str:
        return f'{self.scheme} realm="Rankloop"'


class MayEnter(BasePermission):
    """The door of this address (doors.py), once the request's sign-in is known. The view gets `here`."""

    def has_permission(self, request: Request, view: APIView) -> bool:
        assert request.resolver_match is not None
        name = request.resolver_match.view_name
        user = request.user
        if isinstance(user, User) and user.must_change_password and door(name) != ANYONE:
            raise PasswordFirst
        try:
            view.here = enter(user, name, view.kwargs)  # type: ignore[attr-defined]
        except NotSignedIn:
            return False
        return True
