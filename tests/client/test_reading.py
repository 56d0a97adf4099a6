"""Everything that can be read is understood, page by page, by who may read it."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from labeling.actions import tokens
from labeling.models import Role
from rankloop_client import BadToken, Client, NotAllowed, NotFound, Project, Unexpected, operations
from rankloop_client.operations import Listing, Operation
from rankloop_client.reading import read
from tests import build, learn
from tests.api import fuzz_world

FOREIGN = "23456789abcdefgh"


def test_a_list_comes_whole_and_no_page_sooner_than_it_is_needed(project, client_of, lin, relay):
    made = [build.prompt(project, f"prompt {n}").public_id for n in range(7)]
    lead = client_of(lin.user, page_size=3)
    found = lead.prompts(project.public_id)
    assert [next(found).prompt for _ in range(3)] == made[:3:-1]
    assert len(relay.seen) == 1
    assert [prompt.prompt for prompt in found] == made[3::-1]
    assert len(relay.seen) == 3


def test_filters_are_kept_from_page_to_page(project, client_of, lin):
    for n in range(8):
        build.prompt(project, f"prompt {n}", split="valid" if n % 2 else "train", is_simulated=n > 4)
    lead = client_of(lin.user, page_size=1)
    found = lead.prompts(project.public_id, split="valid", simulated=False)
    assert [prompt.messages[0].content for prompt in found] == ["prompt 3", "prompt 1"]


def test_answers_are_asked_for_since_a_moment(project, lead, ann):
    build.rank_items(project, 1)
    learn.rank(ann)
    assert list(lead.rankings(project.public_id, created_after=datetime(2100, 1, 1, tzinfo=UTC))) == []
    (ranking,) = lead.rankings(project.public_id, created_after=datetime(2000, 1, 1, tzinfo=UTC))
    assert ranking.created_at.tzinfo is not None
    assert sorted(place.rank for place in ranking.latest.completions) == [1, 2, 3, 4]


@pytest.fixture
def world(store, live_server, tmp_path) -> dict[str, fuzz_world.Caller]:
    return fuzz_world.made(tmp_path)


READS = {
    name.lower(): value
    for name, value in vars(operations).items()
    if isinstance(value, Listing) or (isinstance(value, Operation) and value.method == "GET")
}


def test_every_list_and_every_object_is_read_as_what_it_is(world, live_server):
    caller = world[Role.LEAD]
    client = Client(live_server.url, caller.token, page_size=2)
    for name, operation in READS.items():
        noun = operation.path.partition("{")[2].partition("}")[0]
        wanted = [caller.ids[noun][0]] if noun else []
        found: Any = getattr(client, name)(*wanted, *(["rank"] if name == "answers" else []))
        if isinstance(operation, Listing):
            entries = list(found)
            assert entries, name
            assert {type(entry) for entry in entries} == {operation.gives}
        elif name != "dataset_rows":
            assert type(found) is operation.gives
    assert len(READS) >= 22


def test_a_project_that_is_not_one_s_own_does_not_exist(lead):
    secret = build.prompt(build.project("secret"), "theirs")
    with pytest.raises(NotFound) as caught:
        lead.prompt(secret.public_id)
    assert caught.value.status == 404
    with pytest.raises(NotFound):
        next(lead.prompts(secret.project.public_id))
    with pytest.raises(NotFound):
        lead.run(FOREIGN)


def test_a_labeler_is_told_what_they_may_not_do(project, labeler):
    with pytest.raises(NotAllowed):
        labeler.import_prompts(project.public_id, [{"prompt": "why?"}])


def test_a_revoked_token_lets_nobody_in(relay, ann):
    made, secret = tokens.create(ann.user, "a script")
    client = Client(relay.url, secret)
    assert client.me().token.name == "a script"
    tokens.revoke(made)
    with pytest.raises(BadToken) as caught:
        client.me()
    assert caught.value.code == "bad_token"
    assert len(relay.seen) == 2


# --- what an answer must be --------------------------------------------------------------------------

GOOD = {
    "project": "p",
    "slug": "s",
    "name": "n",
    "role": "lead",
    "languages": ["en"],
    "open": {"demonstrate": 1, "rank": 2},
}


def test_fields_of_a_newer_server_are_passed_over():
    newer = {**GOOD, "colour": "blue", "open": {**GOOD["open"], "review": 3}}
    assert read(Project, newer) == read(Project, GOOD)
    assert read(Project, GOOD).languages == ("en",)


@pytest.mark.parametrize(
    ("spoilt", "place"),
    [
        ({"open": {"rank": 2}}, "demonstrate"),
        ({"open": {"demonstrate": True, "rank": 2}}, "Project.open.demonstrate"),
        ({"languages": ["en", None]}, r"Project.languages\[1\]"),
        ({"name": None}, "Project.name"),
        ({"open": []}, "Project.open"),
    ],
)
def test_what_is_missing_or_something_else_is_named(spoilt, place):
    with pytest.raises(Unexpected, match=place):
        read(Project, {**GOOD, **spoilt})
