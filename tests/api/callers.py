"""Requests to the API by somebody's token, as a script makes them."""

from __future__ import annotations

from typing import Any

from django.test import Client

from labeling.actions import tokens
from labeling.models import User


class Script:
    """A program with a token. CSRF is enforced for whoever comes without one."""

    def __init__(self, user: User) -> None:
        self.user = user
        self.made, self.secret = tokens.create(user, "a script")
        self.client = Client(enforce_csrf_checks=True, headers={"Authorization": f"Bearer {self.secret}"})

    def get(self, path: str, **query: Any) -> Any:
        return self.client.get(f"/api/{path}", query)

    def post(self, path: str, body: Any = None, **headers: str) -> Any:
        return self.client.post(f"/api/{path}", body or {}, "application/json", headers=headers)

    def all(self, path: str, **query: Any) -> list[Any]:
        """Every entry of a list, page by page."""
        entries: list[Any] = []
        after: dict[str, Any] = {}
        while True:
            page = self.get(path, **query, **after).json()
            entries += page["results"]
            if page["next"] is None:
                return entries
            after = {"after": page["next"]}
