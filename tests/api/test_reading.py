"""What leads, reviewers and labelers read: pages, filters, and what stays hidden."""

from __future__ import annotations

import json
from typing import Any

import pytest

from labeling.actions import datasets
from labeling.actions.rows import pseudonym
from labeling.models import CompletionOrigin, ModelVersion, Role, User
from tests import build, learn
from tests.api.callers import Script
from tests.pages import world

pytestmark = pytest.mark.usefixtures("store")


@pytest.fixture
def ann(project):
    return build.member(project, "ann")


@pytest.fixture
def reviewer(project):
    return Script(build.member(project, "ray", Role.REVIEWER).user)


def of(project, noun):
    return f"projects/{project.public_id}/{noun}"


def test_a_list_comes_page_by_page_newest_first_and_whole(project, lead):
    made = [build.prompt(project, f"prompt {n}").public_id for n in range(7)]
    first = lead.get(of(project, "prompts"), limit=3).json()
    assert [row["prompt"] for row in first["results"]] == made[:3:-1]
    assert first["next"] == made[4]
    assert [row["prompt"] for row in lead.all(of(project, "prompts"), limit=3)] == made[::-1]


def test_what_arrives_meanwhile_moves_no_page(project, lead):
    made = [build.prompt(project, f"prompt {n}").public_id for n in range(4)]
    first = lead.get(of(project, "prompts"), limit=2).json()
    build.prompt(project, "late")
    second = lead.get(of(project, "prompts"), limit=2, after=first["next"]).json()
    assert [row["prompt"] for row in second["results"]] == made[1::-1]


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("user__password__startswith=p", "user__password__startswith"),
        ("project__slug=x", "project__slug"),
        ("format=api", "format"),
        ("split=nowhere", "split"),
        ("limit=0", "limit"),
        ("limit=201", "limit"),
        ("limit=" + "9" * 5000, "limit"),
        ("limit=1&limit=2", "limit"),
        ("limit=٣x", "limit"),
        ("after=23456789abcdefgh", "after"),
        ("after=1%27%20OR%201=1", "after"),
        ("after=%ED%A0%80", "after"),
        ("simulated=perhaps", "simulated"),
    ],
)
def test_a_query_that_is_not_allowed_is_named(project, lead, query, field):
    answer = lead.client.get(f"/api/{of(project, 'prompts')}?{query}")
    assert answer.status_code == 400
    assert answer.json()["error"]["field"] == field


def test_a_cursor_of_another_project_is_no_place_here(project, lead):
    foreign = build.prompt(build.project("secret"), "theirs")
    assert lead.get(of(project, "prompts"), after=foreign.public_id).status_code == 400


def test_filters_narrow_and_their_cursor_survives_a_change(project, lead):
    for n in range(4):
        build.prompt(project, f"prompt {n}", split="valid" if n % 2 else "train")
    found = lead.all(of(project, "prompts"), split="valid")
    assert [row["messages"][0]["content"] for row in found] == ["prompt 3", "prompt 1"]
    gone = project.prompts.get(public_id=found[0]["prompt"])
    gone.split = "test"
    gone.save()
    rest = lead.get(of(project, "prompts"), split="valid", after=gone.public_id).json()
    assert [row["prompt"] for row in rest["results"]] == [found[1]["prompt"]]


def test_texts_come_with_html_that_can_do_no_harm(project, lead):
    made = build.prompt(project, "# Why?\n\n<script>alert(1)</script> [x](javascript:alert(1))")
    (turn,) = lead.get(f"prompts/{made.public_id}").json()["messages"]
    assert turn["content"].startswith("# Why?")
    assert "<h2>Why?</h2>" in turn["html"]
    assert "<script" not in turn["html"]
    assert "<a" not in turn["html"]


def test_a_reviewer_reads_rankings_by_completion_and_pseudonym(project, ann, reviewer):
    build.rank_items(project, 1, k=3)
    (given,) = learn.rank(ann)
    (row,) = reviewer.all(of(project, "rankings"))
    assert row["labeler"] == pseudonym(project, ann.user.public_id)
    assert row["latest"]["number"] == 1
    assert sorted(place["score"] for place in row["latest"]["completions"]) == [5, 6, 7]
    assert sorted(place["rank"] for place in row["latest"]["completions"]) == [1, 2, 3]
    whole = reviewer.get(f"rankings/{given.public_id}").json()
    shown = {part["completion"]: part["shown"]["text"] for part in whole["texts"]}
    assert {place["completion"] for place in whole["latest"]["completions"]} == set(shown)
    assert len(whole["history"]) == 1
    assert ann.user.username not in json.dumps(whole)
    assert reviewer.get(of(project, "completions")).status_code == 403  # these name the models


def test_a_reviewer_reads_in_which_way_an_order_was_asked_for(project, ann, reviewer):
    build.rank_items(project, 2, k=3)
    project.ranking_method = "two_up"
    project.save()
    learn.rank(ann)  # a program's, which no page has asked
    learn.rank(ann, mode="keys")
    assert [row["latest"]["method"] for row in reviewer.all(of(project, "rankings"))] == ["two_up", ""]


def test_the_history_of_an_answer_has_every_revision(project, ann, reviewer):
    given = learn.demonstrate(ann, "once")
    mine = Script(ann.user)
    key = {"Idempotency-Key": build.key()}
    changed = mine.post(f"demonstrations/{given.public_id}/revisions", {"text": "twice", "base": 1}, **key)
    assert changed.status_code == 201
    whole = reviewer.get(f"demonstrations/{given.public_id}").json()
    assert [revision["shown"]["text"] for revision in whole["history"]] == ["twice", "once"]
    assert whole["latest"]["number"] == 2


def test_a_labeler_opens_their_own_answers_by_letter_and_changes_one(project, ann):
    build.rank_items(project, 3)
    build.rank_items(project, 1)
    learn.rank(ann, 2)
    learn.rank(build.member(project, "ben"))
    mine = Script(ann.user)
    found = mine.get(of(project, "answers"), kind="rank").json()["results"]
    assert len(found) == 2
    last = found[0]
    assert [part["letter"] for part in last["assignment"]["completions"]] == ["A", "B", "C", "D"]
    assert last["given"]["tiers"] == [["A"], ["B"], ["C"], ["D"]]
    changed = {**last["given"], "comment": "On second thoughts.", "base": last["revision"]}
    key = {"Idempotency-Key": build.key()}
    assert mine.post(f"rankings/{last['answer']}/revisions", changed, **key).status_code == 201
    again = mine.get(of(project, "answers"), kind="rank").json()["results"][0]
    assert (again["revision"], again["given"]["comment"]) == (2, "On second thoughts.")


def test_what_a_labeler_reads_tells_nothing_of_who_wrote_what(project, ann):
    build.rank_items(project, 2)
    model = ModelVersion.objects.create(project=project, kind="outside", name="the-secret-model")
    for prompt in project.prompts.all():
        for completion in prompt.completions.all():
            CompletionOrigin.objects.create(completion=completion, model=model)
    learn.rank(ann)
    mine = Script(ann.user)
    said = ""
    for path in ("me", "projects", f"projects/{project.public_id}", of(project, "answers") + "?kind=rank"):
        answer = mine.get(path)
        assert answer.status_code == 200
        said += answer.content.decode()
    said += mine.post(of(project, "next") + "?html=1", {"kind": "rank"}).content.decode()
    hidden = [model.name, model.public_id]
    hidden += [
        completion.public_id for prompt in project.prompts.all() for completion in prompt.completions.all()
    ]
    hidden += [item.public_id for item in project.items.all()]
    assert [secret for secret in hidden if secret in said] == []


def test_html_of_an_assignment_is_given_when_it_is_asked_for(project, ann):
    build.rank_items(project, 1)
    mine = Script(ann.user)
    plain = mine.post(of(project, "next"), {"kind": "rank"}).json()["assignment"]
    rich = mine.post(of(project, "next") + "?html=true", {"kind": "rank"}).json()["assignment"]
    assert "html" not in plain["completions"][0]
    assert rich["completions"][0]["html"] == f"<p>{rich['completions'][0]['text']}</p>\n"
    assert rich["prompt"]["messages"][0]["html"].startswith("<p>")


def test_items_say_how_many_answers_they_have(project, ann, lead):
    build.rank_items(project, 2, overlap=2)
    learn.rank(ann)
    found = lead.all(of(project, "items"), kind="rank")
    assert sorted((row["overlap"], row["filled"]) for row in found) == [(2, 0), (2, 1)]


def test_a_dataset_is_downloaded_byte_for_byte(project, ann, lead):
    learn.imported(project, 3)
    version = datasets.freeze(project, "sft")
    (row,) = lead.all(of(project, "datasets"))
    assert (row["dataset"], row["digest"]) == (version.public_id, version.digest)
    answer = lead.get(f"datasets/{version.public_id}/rows")
    assert answer["Content-Type"] == "application/jsonl"
    assert b"".join(answer.streaming_content) == datasets.file(version).read_bytes()
    refused = lead.client.get("/api/datasets/none/rows", headers={"Accept": "application/jsonl"})
    assert refused["Content-Type"] == "application/json"


def test_a_model_knows_where_it_comes_from_and_what_came_of_it(project, ann, lead, tmp_path):
    build.rank_items(project, 1, k=3)
    base = world.sft_model(project, tmp_path)
    reward = world.reward_model(project, tmp_path, base)
    whole = lead.get(f"models/{reward.public_id}").json()
    assert whole["lineage"]["run"] == {"run": reward.run.public_id, "stage": "reward"}
    assert [parent["model"] for parent in whole["lineage"]["parents"]] == [base.public_id]
    assert [version["kind"] for version in whole["lineage"]["datasets"]] == ["comparisons"]
    children = lead.get(f"models/{base.public_id}").json()["lineage"]["children"]
    assert [child["model"] for child in children] == [reward.public_id]


def test_the_metrics_of_a_run_are_read_on_from_a_line(project, lead):
    learn.imported(project, 1)
    run = world.waiting("sft", {"dataset.jsonl": datasets.freeze(project, "sft")})
    world.running(run, [{"step": step, "loss": 1 / step} for step in (1, 2, 3, 4)])
    first = lead.get(f"runs/{run.public_id}/metrics", limit=2).json()
    assert ([line["line"] for line in first["results"]], first["next"]) == ([0, 1], 1)
    rest = lead.get(f"runs/{run.public_id}/metrics", after=first["next"]).json()
    assert ([line["values"]["step"] for line in rest["results"]], rest["next"]) == ([3, 4], None)
    assert rest["attempt"] == 1


def test_the_number_of_queries_does_not_grow_with_a_page(
    project, ann, lead, reviewer, django_assert_max_num_queries: Any
):
    build.rank_items(project, 12)
    learn.rank(ann, 12)
    for n in range(12):
        learn.demonstrate(ann, f"text {n}")
    mine = Script(ann.user)
    lists = [(reviewer, "rankings"), (reviewer, "demonstrations"), (mine, "answers?kind=rank")]
    lists += [(lead, "prompts"), (lead, "completions"), (lead, "items")]
    for script, noun in lists:
        with django_assert_max_num_queries(14):
            assert len(script.get(of(project, noun)).json()["results"]) >= 12


def test_an_operator_who_is_no_member_finds_nothing_here(project, lead):
    operator = Script(User.objects.create(username="olga", is_staff=True))
    assert operator.all("projects") == []
    assert operator.get(of(project, "prompts")).status_code == 404
