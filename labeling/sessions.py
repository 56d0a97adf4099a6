"""Who sends this request: the two look-ups that every request begins with, as prepared statements."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.backends import ModelBackend
from django.contrib.sessions.backends import db

from labeling.actions import prepared
from labeling.models import User

SESSION = """
SELECT session_data FROM django_session
WHERE session_key = %(key)s AND expire_date > statement_timestamp()
"""
PERSON = f"SELECT {prepared.columns(User)} FROM labeling_user WHERE id = %(user)s"  # noqa: S608


class SessionStore(db.SessionStore):
    """Django's sessions in the database (SESSION_ENGINE), read the short way."""

    def load(self) -> dict[str, Any]:
        key = self.session_key
        # A cookie may hold anything, a NUL too; the keys that Django draws are letters and digits.
        found = prepared.row(SESSION, {"key": key}) if key and key.isalnum() else None
        if found is None:
            self._session_key = None
            return {}
        session: dict[str, Any] = self.decode(found[0])
        return session


class Backend(ModelBackend):
    """Django's accounts, likewise."""

    def get_user(self, user_id: int) -> User | None:
        found = prepared.row(PERSON, {"user": user_id})
        user = prepared.load(User, found) if found else None
        return user if user is not None and self.user_can_authenticate(user) else None
