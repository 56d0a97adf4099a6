"""Simulated labelers: programs that sign in and answer over HTTP like anyone else.

They see what a browser sees (letters and texts), know the string-instruction task's truth through
`string_instructions.rank`, and are marked as simulated by their account. They come in by the sign-in page and
use the client, and nothing else of the application.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from random import Random

from labeling.demo import string_instructions as task
from rankloop_client import Assignment, Client, GivenRanking


@dataclass(frozen=True)
class Account:
    username: str
    password: str


class SimulatedLabeler:
    """One labeler with a session of its own. Raises RankloopError where the server refuses."""

    client: Client

    def __init__(self, address: str, account: Account, seed: int) -> None:
        self.address = address
        self.account = account
        self.rng = Random(f"labeler {account.username} {seed}")

    def sign_in(self) -> None:
        self.client = Client.signed_in(self.address, self.account.username, self.account.password)

    def rank_one(self, project: str) -> bool:
        """Rank the next item; False where there is none."""
        given = self.client.next(project, "rank")
        if given is None:
            return False
        self.client.submit_ranking(given.token, self._ranking(given))
        return True

    def demonstrate_one(self, project: str) -> bool:
        """Write the next demonstration, as carelessly as the imported ones; False where there is none."""
        given = self.client.next(project, "demonstrate")
        if given is None:
            return False
        text = task.demonstration(given.prompt.messages[-1].content, self.rng)
        self.client.submit_demonstration(given.token, text)
        return True

    def _ranking(self, given: Assignment) -> GivenRanking:
        letters = [part.letter for part in given.completions]
        texts = [part.text for part in given.completions]
        thought = task.rank(given.prompt.messages[-1].content, texts, self.rng)
        asked = {flag.key: flag.required for flag in given.rubric.flags}  # a lead may have changed them
        said = {
            letter: [key for key in flags if key in asked]
            for letter, flags in zip(letters, thought.flags, strict=True)
        }
        ranking: GivenRanking = {
            "scores": dict(zip(letters, thought.scores, strict=True)),
            "flags": {letter: flags for letter, flags in said.items() if flags},
            "denied": {
                letter: [key for key, required in asked.items() if required and key not in flags]
                for letter, flags in said.items()
            },
            "all_bad": thought.all_bad,
            "tiers": None,
        }
        if thought.ranks is not None:
            tiers: list[list[str]] = [[] for _ in range(max(thought.ranks))]
            for letter, rank in zip(letters, thought.ranks, strict=True):
                tiers[rank - 1].append(letter)
            ranking["tiers"] = tiers
            ranking["tied"] = [letter for tier in tiers if len(tier) > 1 for letter in tier]
        return ranking


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
