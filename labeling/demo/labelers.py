"""Simulated labelers: programs that sign in and answer over HTTP like anyone else.

They see what a browser sees (letters and texts), know the string-instruction task's truth through
`string_instructions.rank`, and are marked as simulated by their account. They use the sign-in page and
the API, and nothing else of the application.
"""

from __future__ import annotations

import threading
import uuid
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from random import Random
from typing import Any

import requests

from labeling.demo import string_instructions as task

TIMEOUT_SECONDS = 60
CSRF_COOKIE_END = "_csrf"


class LabelerError(Exception):
    """The server refused something that a labeler should be able to do."""


@dataclass(frozen=True)
class Account:
    username: str
    password: str


class SimulatedLabeler:
    """One labeler with a session of its own. Raises LabelerError where the server refuses."""

    def __init__(self, address: str, account: Account, seed: int) -> None:
        self.address = address.rstrip("/")
        self.account = account
        self.rng = Random(f"labeler {account.username} {seed}")
        self.session = requests.Session()

    def sign_in(self) -> None:
        self._ok(self.session.get(f"{self.address}/sign-in/", timeout=TIMEOUT_SECONDS))
        form = {
            "username": self.account.username,
            "password": self.account.password,
            "csrfmiddlewaretoken": self._csrf(),
        }
        answer = self._ok(
            self.session.post(
                f"{self.address}/sign-in/",
                data=form,
                headers={"Referer": f"{self.address}/sign-in/"},
                timeout=TIMEOUT_SECONDS,
                allow_redirects=False,
            )
        )
        if not answer.is_redirect:  # the form again, with a reason
            raise LabelerError(f"{self.account.username} could not sign in")

    def rank_one(self, project: str) -> bool:
        """Rank the next item; False where there is none."""
        given = self._next(project, "rank")
        if given is None:
            return False
        self._post(f"assignments/{given['token']}/ranking", self._ranking(given))
        return True

    def demonstrate_one(self, project: str) -> bool:
        """Write the next demonstration, as carelessly as the imported ones; False where there is none."""
        given = self._next(project, "demonstrate")
        if given is None:
            return False
        prompt = given["prompt"]["messages"][-1]["content"]
        self._post(
            f"assignments/{given['token']}/demonstration", {"text": task.demonstration(prompt, self.rng)}
        )
        return True

    def _ranking(self, given: dict[str, Any]) -> dict[str, Any]:
        letters = [part["letter"] for part in given["completions"]]
        texts = [part["text"] for part in given["completions"]]
        thought = task.rank(given["prompt"]["messages"][-1]["content"], texts, self.rng)
        body: dict[str, Any] = {
            "scores": dict(zip(letters, thought.scores, strict=True)),
            "flags": {letter: flags for letter, flags in zip(letters, thought.flags, strict=True) if flags},
            "all_bad": thought.all_bad,
            "tiers": None,
            "mode": "api",
        }
        if thought.ranks is not None:
            tiers: list[list[str]] = [[] for _ in range(max(thought.ranks))]
            for letter, rank in zip(letters, thought.ranks, strict=True):
                tiers[rank - 1].append(letter)
            body["tiers"] = tiers
            body["tied"] = [letter for tier in tiers if len(tier) > 1 for letter in tier]
        return body

    def _next(self, project: str, kind: str) -> dict[str, Any] | None:
        given: dict[str, Any] | None = self._post(f"projects/{project}/next", {"kind": kind})["assignment"]
        return given

    def _post(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        answer = self.session.post(
            f"{self.address}/api/{path}",
            json=body,
            headers={
                "X-CSRFToken": self._csrf(),
                "Referer": self.address,
                "Idempotency-Key": uuid.uuid4().hex,
            },
            timeout=TIMEOUT_SECONDS,
        )
        data: dict[str, Any] = self._ok(answer).json()
        return data

    def _csrf(self) -> str:
        for name, value in self.session.cookies.items():
            if name.endswith(CSRF_COOKIE_END):
                return value
        raise LabelerError("the server set no CSRF cookie")

    def _ok(self, answer: requests.Response) -> requests.Response:
        if not answer.ok:
            raise LabelerError(
                f"{answer.request.method} {answer.url}: {answer.status_code} {answer.text[:500]}"
            )
        return answer


def work(
    labelers: Sequence[SimulatedLabeler],
    do_one: Callable[[SimulatedLabeler], bool],
    *,
    most: int,
    progress: Callable[[int], None],
    at_once: int = 4,
) -> int:
    """Let labelers work side by side until `most` are done or the queue is empty; returns how many.

    Each labeler takes turns with the others, so that nobody's share is large.
    """
    done = 0
    lock = threading.Lock()
    stop = threading.Event()

    def turns(mine: Sequence[SimulatedLabeler]) -> None:
        nonlocal done
        idle: set[SimulatedLabeler] = set()
        while len(idle) < len(mine) and not stop.is_set():
            for labeler in mine:
                with lock:
                    if done >= most:
                        return
                    done += 1  # claimed before it is done, so that `most` is not overshot
                found = do_one(labeler)
                with lock:
                    if found:
                        idle.discard(labeler)
                        progress(done)
                    else:
                        done -= 1
                        idle.add(labeler)

    with ThreadPoolExecutor(max_workers=at_once) as pool:
        workers = [pool.submit(turns, labelers[start::at_once]) for start in range(at_once)]
        try:
            for worker in workers:
                worker.result()
        finally:
            stop.set()
    return done
