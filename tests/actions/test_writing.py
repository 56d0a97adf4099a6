"""A lead has completions written between rounds: by a server of the operator's, or by the policy."""

from __future__ import annotations

import pytest

from labeling import launcher
from labeling.actions import policies, writing
from labeling.actions.errors import BadInput, NotNow
from labeling.models import CompletionOrigin, Item
from tests import build, learn
from tests.learn import GOOD, publish, walk

pytestmark = pytest.mark.django_db(transaction=True)

LAB = {
    "id": "lab", "name": "Our lab", "url": "https://llm.example.org/v1", "model": "org/large",
    "price_out": 2.0, "secret": "sk-secret",
}  # fmt: skip


@pytest.fixture(autouse=True)
def store(settings, tmp_path):
    settings.ARTIFACTS = tmp_path / "artifacts"
    settings.SERVERS = {"lab": LAB}


@pytest.fixture
def project():
    made = learn.project(
        bootstrap=True, enabled=True, rankings_per_round=4, items_per_round=8, completions_per_item=3
    )
    learn.imported(made, 6)
    learn.imported(made, 2, split="valid")
    return made


def test_a_servers_completions_are_queued_under_its_models_name(project):
    run = writing.write_completions(project, server="lab", count=4)
    assert (run.settings["server"]["url"], run.settings["server"]["model"]) == (LAB["url"], "org/large")
    assert "secret" not in str(run.settings)
    assert policies.shown(run.settings)["server"] == {"name": "lab", "model": "org/large"}
    publish(run)
    items = Item.objects.filter(project=project)
    assert {(item.origin, item.model.name, item.model.kind) for item in items} == {
        ("imported", "org/large", "outside")
    }
    assert items.count() == 3  # one of the four has but one text
    assert {origin.sampling["server"] for origin in CompletionOrigin.objects.all()} == {"lab"}


def test_what_a_server_wrote_does_not_go_stale_with_a_new_policy(project):
    publish(writing.write_completions(project, server="lab", count=4))
    walk()
    assert Item.objects.filter(origin="imported", state="open").count() == 3


def test_the_key_goes_to_the_child_alone_and_only_to_where_the_operator_says_now(project, settings):
    run = writing.write_completions(project, server="lab", count=4)
    assert launcher._server_key(run) == {"RANKLOOP_SERVER_KEY": "sk-secret"}
    settings.SERVERS = {"lab": {**LAB, "url": "https://other.example.org/v1"}}
    with pytest.raises(launcher._End, match="no longer offers the server lab"):
        launcher._server_key(run)
    settings.SERVERS = {}
    with pytest.raises(launcher._End, match="no longer offers"):
        launcher._server_key(run)


def test_best_of_n_is_chosen_by_the_projects_reward_model(project):
    with pytest.raises(NotNow, match="no policy yet"):
        writing.write_completions(project, count=2)
    walk()
    project.refresh_from_db()
    with pytest.raises(NotNow, match="no reward model yet"):
        writing.write_completions(project, count=2, best_of=4)
    learn.rank(build.member(project, "ann"), 4)
    walk(GOOD)
    project.refresh_from_db()
    asked = project.prompts.filter(split="train").order_by("pk")[1]
    run = writing.write_completions(project, prompts=[asked.public_id], best_of=4)
    given = {each.name: str(each.model or each.dataset.counts["rows"]) for each in run.inputs.all()}
    assert given == {"policy": "policy-1", "reward": "reward-1", "prompts.jsonl": "1"}
    assert run.settings["best_of"] == 4


def test_what_cannot_be_asked_for_is_refused_by_field(project):
    test = build.prompt(project, "kept for the end", split="test")
    for asked, field in (
        ({"server": "elsewhere", "count": 1}, "server"),
        ({"server": "lab", "count": 1, "best_of": 2}, "best_of"),
        ({"server": "lab"}, "prompts"),
        ({"server": "lab", "count": 1001}, "count"),
        ({"server": "lab", "prompts": [test.public_id]}, "prompts"),
    ):
        with pytest.raises(BadInput) as refused:
            writing.write_completions(project, **asked)
        assert refused.value.field == field


def test_a_lead_cannot_name_an_address(project):
    project.loop_policy.stage_settings = {"generate": {"server": {"name": "x", "url": "http://127.0.0.1"}}}
    with pytest.raises(BadInput, match=r"generate\.server"):
        policies.check(project.loop_policy)
