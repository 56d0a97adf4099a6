"""What everybody may ask: who one is and where, and a labeler's work."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

from rankloop_client import operations, work
from rankloop_client.server import Server


class Labeler:
    """A client's methods for everybody (client.py)."""

    _server: Server

    # --- who one is, and where ---

    def me(self) -> work.Me:
        return self._server.call(operations.ME)

    def projects(self) -> Iterator[work.Project]:
        return self._server.pages(operations.PROJECTS, {})

    def project(self, project: str) -> work.ProjectWhole:
        return self._server.call(operations.PROJECT, {"project": project})

    def guidelines(self, project: str) -> work.Guidelines:
        return self._server.call(operations.GUIDELINES, {"project": project})

    def accept_guidelines(self, project: str, version: int) -> work.Guidelines:
        """Say that one works by this version. Raises Conflict if another is in force by now."""
        body = {"version": version}
        return self._server.call(operations.ACCEPT_GUIDELINES, {"project": project}, body=body)

    # --- a labeler's work ---

    def next(self, project: str, kind: str, *, ahead: bool = False) -> work.Assignment | None:
        """One's open item to `rank` or `demonstrate`, or a new one; None where there is nothing to do.

        `ahead` reserves the one after it instead; `show` begins its lease.
        """
        body = {"kind": kind, "ahead": ahead}
        return self._server.call(operations.NEXT, {"project": project}, body=body).assignment

    def show(self, assignment: str) -> work.Assignment:
        """A reserved item is looked at now. Raises Conflict if it was lost or another is open."""
        return self._server.call(operations.SHOW, {"assignment": assignment})

    def renew(self, assignment: str) -> datetime:
        """Somebody is still at it: until when the lease now runs. Raises Conflict if it was lost."""
        return self._server.call(operations.RENEW, {"assignment": assignment}).lease_until

    def draft(self, assignment: str, sequence: int, body: Mapping[str, Any]) -> work.Saved:
        """Keep what has been done so far. Raises Conflict, with the stored `draft`, for a lower sequence."""
        draft = {"sequence": sequence, "body": body}
        return self._server.call(operations.DRAFT, {"assignment": assignment}, body=draft)

    def release(self, assignment: str, *, ahead: bool = False) -> None:
        """Give an unfinished item back; with `ahead` only while it is loaded ahead."""
        self._server.call(operations.RELEASE, {"assignment": assignment}, body={"ahead": ahead})

    def skip(self, assignment: str, reason: str, comment: str = "") -> None:
        """Pass on an item for good: unclear, too_hard, language, sensitive, broken, other or report.

        Who reports a prompt says why in the comment: a reviewer sees it at once.
        """
        body = {"reason": reason, "comment": comment}
        self._server.call(operations.SKIP, {"assignment": assignment}, body=body)

    def submit_ranking(
        self, assignment: str, given: work.GivenRanking, *, active_seconds: float = 0, key: str | None = None
    ) -> work.Submitted:
        """Answer an item to rank. It lands once, however often it has to be sent.

        `key` is of your own, 8 to 64 characters, where the same answer may be sent by another process, too.
        """
        body = {**given, "active_seconds": active_seconds, "mode": "api"}
        return self._server.call(operations.SUBMIT_RANKING, {"assignment": assignment}, body=body, key=key)

    def submit_demonstration(
        self, assignment: str, text: str, *, active_seconds: float = 0, key: str | None = None
    ) -> work.Submitted:
        """Answer an item to demonstrate. As submit_ranking."""
        body = {"text": text, "active_seconds": active_seconds}
        return self._server.call(
            operations.SUBMIT_DEMONSTRATION, {"assignment": assignment}, body=body, key=key
        )

    def answers(self, project: str, kind: str) -> Iterator[work.Answer]:
        """One's own answers of a kind, newest first."""
        return self._server.pages(operations.ANSWERS, {"project": project}, kind=kind)

    def revise_ranking(
        self,
        ranking: str,
        base: int,
        given: work.GivenRanking,
        *,
        active_seconds: float = 0,
        key: str | None = None,
    ) -> work.Submitted:
        """Change one's ranking; `base` is the revision that was changed.

        Raises Conflict, with the `stored` answer, if that is not the latest.
        """
        body = {**given, "base": base, "active_seconds": active_seconds, "mode": "api"}
        return self._server.call(operations.REVISE_RANKING, {"ranking": ranking}, body=body, key=key)

    def revise_demonstration(
        self, demonstration: str, base: int, text: str, *, active_seconds: float = 0, key: str | None = None
    ) -> work.Submitted:
        """Change one's demonstration. As revise_ranking."""
        body = {"text": text, "base": base, "active_seconds": active_seconds}
        names = {"demonstration": demonstration}
        return self._server.call(operations.REVISE_DEMONSTRATION, names, body=body, key=key)
