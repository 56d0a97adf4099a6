"""The labelers, in a process of their own: `python -m benchmarks.queue.client`, JSON on stdin, a line each.

The first line is a Crew; the answer is the labelers' cookies. Each further line is a Task; the answer is
what its calls took. Nothing of the application is imported, and the processor time is not counted.
"""

from __future__ import annotations

import json
import sys
import threading
import time
from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from random import Random
from typing import Any

from benchmarks.queue.http import Browser, Refused

SIGN_INS_AT_ONCE = 4
RENEWALS_PER_ITEM = 0.25


@dataclass(frozen=True)
class Account:
    username: str
    password: str
    cookies: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Crew:
    """Who works where. An account with cookies is signed in already."""

    address: str
    project: str
    accounts: list[Account]


@dataclass(frozen=True)
class Task:
    """`full`: as fast as it goes for `seconds`. `person`: at a person's pace, `think` seconds an answer, an
    exponential's mean. `vain`: each labeler asks `times` for an item where there is none."""

    do: str
    seconds: float = 0.0
    think: float = 0.0
    times: int = 0


@dataclass
class Done:
    """Seconds of each call by name, and over how many seconds.

    `pair` is next and submit together; `turn` of a person, submit and the showing of the next item.
    """

    calls: dict[str, list[float]]
    seconds: float
    annotations: int
    errors: list[str]


class Labeler:
    """Works on one browser. Every labeler's calls go into `calls`, shared by all."""

    def __init__(self, browser: Browser, project: str, seed: int, calls: dict[str, list[float]]) -> None:
        self.browser, self.project, self.calls = browser, project, calls
        self.chance = Random(seed)
        self.annotations = 0

    def run(self, task: Task, begun: float) -> None:
        if task.do == "full":
            self.at_full_speed(begun + task.seconds)
        elif task.do == "person":
            self.like_a_person(begun + task.seconds, task.think)
        else:
            self.ask_in_vain(task.times)

    def at_full_speed(self, deadline: float) -> None:
        """Next and submit, again and again, until the time or the queue is over."""
        while time.monotonic() < deadline:
            begun = time.perf_counter()
            given = self._ask("next")
            if given is None:
                return
            self._submit(given)
            self.calls["pair"].append(time.perf_counter() - begun)

    def ask_in_vain(self, times: int) -> None:
        """What a page does every twenty seconds while there is nothing to do."""
        for _ in range(times):
            if self._ask("empty") is not None:
                raise Refused("the queue was to be empty")

    def like_a_person(self, deadline: float, think: float) -> None:
        """As the page does it: the next item is loaded ahead, drafts are kept, the lease is renewed."""
        time.sleep(self.chance.random() * think)
        given = self._ask("next")
        while given is not None and time.monotonic() < deadline:
            ahead = self._ask("ahead", ahead=True)
            pause = self.chance.expovariate(3 / think)
            for sequence in (1, 2):
                time.sleep(pause)
                draft = {"sequence": sequence, "body": self._ranking(given)}
                self._call("draft", f"assignments/{given['token']}/draft", draft, method="PUT")
            if self.chance.random() < RENEWALS_PER_ITEM:
                self._call("renew", f"assignments/{given['token']}/renew", {})
            time.sleep(pause)
            begun = time.perf_counter()
            self._submit(given)
            if ahead is None:
                given = self._ask("next")
            else:
                given = self._call("show", f"assignments/{ahead['token']}/show", {})
            self.calls["turn"].append(time.perf_counter() - begun)

    def _ask(self, name: str, *, ahead: bool = False) -> Any:
        asked = {"kind": "rank", "ahead": ahead}
        return self._call(name, f"projects/{self.project}/next", asked)["assignment"]

    def _submit(self, given: Any) -> None:
        self._call("submit", f"assignments/{given['token']}/ranking", self._ranking(given), wanted=201)
        self.annotations += 1

    def _ranking(self, given: Any) -> dict[str, Any]:
        letters = [part["letter"] for part in given["completions"]]
        self.chance.shuffle(letters)
        return {
            "scores": {letter: 7 - place for place, letter in enumerate(letters)},
            "tiers": [[letter] for letter in letters],
            "flags": {},
            "moved": letters[:1],
            "all_bad": False,
            "comment": "",
            "active_seconds": 30,
            "mode": "keys",
        }

    def _call(
        self, name: str, path: str, body: dict[str, Any], *, wanted: int = 200, method: str = "POST"
    ) -> Any:
        begun = time.perf_counter()
        answer = self.browser.send(path, body, wanted=wanted, method=method)
        self.calls[name].append(time.perf_counter() - begun)
        return answer


def main() -> None:
    given = json.loads(sys.stdin.readline())
    crew = Crew(given["address"], given["project"], [Account(**each) for each in given["accounts"]])
    browsers = [Browser(crew.address, dict(account.cookies)) for account in crew.accounts]
    with ThreadPoolExecutor(SIGN_INS_AT_ONCE) as pool:
        list(pool.map(_sign_in, browsers, crew.accounts))
    print(json.dumps([browser.cookies for browser in browsers]), flush=True)
    while line := sys.stdin.readline():
        print(json.dumps(asdict(work(browsers, crew.project, Task(**json.loads(line))))), flush=True)


def _sign_in(browser: Browser, account: Account) -> None:
    if not browser.cookies:
        browser.sign_in(account.username, account.password)
        browser.close()


def work(browsers: list[Browser], project: str, task: Task) -> Done:
    """All labelers side by side, a thread each; what went wrong is in `errors`."""
    calls: dict[str, list[float]] = defaultdict(list)
    errors: list[str] = []
    labelers = [Labeler(browser, project, seed, calls) for seed, browser in enumerate(browsers)]
    begun = time.monotonic()

    def run(labeler: Labeler) -> None:
        try:
            labeler.run(task, begun)
        except (OSError, Refused) as error:
            errors.append(f"{type(error).__name__}: {error}")

    threads = [threading.Thread(target=run, args=(labeler,)) for labeler in labelers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return Done(dict(calls), time.monotonic() - begun, sum(each.annotations for each in labelers), errors)


if __name__ == "__main__":
    main()
