"""Pages for a slow line: what a first visit loads from the server of an installation, over the wire.

Counted is the compressed content of everything: page, styles, scripts, pictures and calls of the API, those
for the next item included. Headers stand beside it: over HTTP/1.1 they weigh some 400 bytes each, over TLS,
where it is HTTP/2, next to nothing.
"""

from __future__ import annotations

from collections import Counter
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from labeling.actions import disputes, guidelines, items, queue, rankings
from labeling.actions.items import NewItem
from labeling.models import Kind, Role
from tests import build
from tests.browser.conftest import sign_in

LIMIT = 100_000
KINDS, HEADERS, FILES = ["Document", "Stylesheet", "Script", "Fetch", "Other"], "headers", "files"
PAGES = [
    "",
    "sign-in/",
    "p/{project}/rank/",
    "p/{project}/demonstrate/",
    "p/{project}/write/",
    "p/{project}/review/",
]
PROSE = (Path(__file__).resolve().parents[2] / "README.md").read_text(encoding="utf-8")
ANSWER = 1800
"""Characters, some three hundred words."""


def prose(number: int) -> str:
    """Another stretch of English with Markdown in it each time: a text repeated would weigh nothing."""
    start = number * ANSWER % (len(PROSE) - ANSWER)
    return PROSE[start : start + ANSWER]


def item(project, number: int, *, overlap: int = 1):
    prompt = build.prompt(project, prose(5 * number)[:600])
    texts = [build.completion(prompt, prose(5 * number + place)) for place in range(1, 5)]
    items.create_items(project, [NewItem(prompt, Kind.RANK, texts, overlap=overlap)])


@pytest.fixture
def full(served_desk):
    """Typical work of every kind, for a reviewer, who may do all of it."""
    project = served_desk.project
    item(project, 0, overlap=2)
    for name, order in (("wang", "ABCD"), ("lin", "DCBA")):
        held = queue.claim(build.member(project, name), Kind.RANK)
        scores = {letter: 7 - place for place, letter in enumerate(order)}
        held.shown_order = [0, 1, 2, 3]
        held.save()
        rankings.submit(held, {"scores": scores, "tiers": [[each] for each in order]}, build.key())
    disputes.find(settled=timedelta())
    served_desk.membership.role = Role.REVIEWER
    served_desk.membership.save()
    guidelines.write(project, prose(3), base=0)
    item(project, 1)
    item(project, 2)
    build.demonstrate_items(project, 2)
    items.ask_for_prompts(project, 2, kind="few_shot")
    return served_desk


def weigh(browser, desk, path: str) -> Counter[str]:
    """Bytes by the kind of what is loaded, in a browser that has never been here."""
    context = browser.new_context()
    if path != "sign-in/":
        sign_in(context, desk.user, desk.url)
    page = context.new_page()
    wire = context.new_cdp_session(page)
    heads: dict[str, tuple[str, int]] = {}
    weights: Counter[str] = Counter()

    def begun(told: Any) -> None:
        heads[told["requestId"]] = (told["type"], int(told["response"]["encodedDataLength"]))

    def finished(told: Any) -> None:
        kind, head = heads[told["requestId"]]
        weights.update({kind: int(told["encodedDataLength"]) - head, HEADERS: head, FILES: 1})

    wire.on("Network.responseReceived", begun)
    wire.on("Network.loadingFinished", finished)
    wire.send("Network.enable")
    page.goto(f"{desk.url}/{path.format(project=desk.project.public_id)}")
    page.wait_for_load_state("networkidle")
    context.close()
    return weights


def test_every_page_of_work_weighs_less_than_100_kb_at_a_first_visit(full, browser):
    full.user.language = "zh-hans"  # whose pages weigh a little more than English ones
    full.user.save()
    weights = {path: weigh(browser, full, path) for path in PAGES}
    table = [" ".join([f"{'':<24}", *(f"{name:>10}" for name in [*KINDS, "content", HEADERS, FILES])])]
    for path, each in weights.items():
        values = [*(each[kind] for kind in KINDS), content(each), each[HEADERS], each[FILES]]
        table.append(" ".join([f"{'/' + path:<24}", *(f"{value:>10,}" for value in values)]))
    assert all({"Document", "Stylesheet", "Script"} <= set(each) for each in weights.values())
    assert all(content(each) < LIMIT for each in weights.values()), "\n".join(["", *table])
    print("\n".join(table))


def content(weights: Counter[str]) -> int:
    return weights.total() - weights[HEADERS] - weights[FILES]
