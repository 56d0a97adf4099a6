"""What leads write through the API: batches, freezes, rounds, stops."""

from __future__ import annotations

from typing import Any

import pytest

from labeling.actions import datasets
from labeling.models import AuditEvent, Completion, Item, ModelVersion, Prompt, Round, RoundStep, Run
from tests import build, learn
from tests.pages import world

pytestmark = pytest.mark.usefixtures("store")


def of(project, noun):
    return f"projects/{project.public_id}/{noun}"


def outcomes(answer: Any) -> list[str]:
    assert answer.status_code == 200, answer.content
    return [row["outcome"] for row in answer.json()["results"]]


PAIR = [{"model": "m", "text": "one"}, {"model": "n", "text": "two"}]
ROWS = [
    {"prompt": "why?", "completions": PAIR},
    {"prompt": ""},
    {"prompt": "why? "},
    {"prompt": "how?", "split": "never"},
    "no object",
    {"prompt": "with a NUL \x00"},
    {"prompt": "with a surrogate \ud800"},
    {"prompt": [{"role": "user", "content": "what?"}], "id": "7"},
]


def test_a_batch_of_prompts_says_what_became_of_each_row(project, lead):
    answer = lead.post(of(project, "prompts"), {"rows": ROWS})
    assert outcomes(answer) == [
        "stored", "refused", "already_there", "refused", "refused", "refused", "refused", "stored",
    ]  # fmt: skip
    assert answer.json()["items"] == 1
    rows = answer.json()["results"]
    assert [row["row"] for row in rows] == list(range(8))
    assert rows[0]["prompt"] == rows[2]["prompt"] == Prompt.objects.get(messages__0__content="why?").public_id
    assert [row["error"]["field"] for row in rows if row["error"]] == [
        "prompt", "split", "line", "prompt", "prompt",
    ]  # fmt: skip
    event = AuditEvent.objects.get(verb="prompts.imported")
    assert event.actor == lead.user


def test_a_batch_may_be_sent_again(project, lead):
    lead.post(of(project, "prompts"), {"rows": ROWS[:1]})
    again = lead.post(of(project, "prompts"), {"rows": ROWS[:1]})
    assert (outcomes(again), again.json()["items"]) == (["already_there"], 0)
    assert (Prompt.objects.count(), Completion.objects.count(), Item.objects.count()) == (1, 2, 1)


def test_a_dry_run_writes_nothing(project, lead):
    answer = lead.post(of(project, "prompts"), {"rows": ROWS[:1], "dry_run": True})
    assert (outcomes(answer), answer.json()["items"]) == (["stored"], 1)
    assert answer.json()["results"][0]["prompt"] is None
    assert not Prompt.objects.exists()
    asked = build.prompt(project, "why?")
    rows = [{"prompt": asked.public_id, "model": "m", "text": text} for text in ("one", "two")]
    answer = lead.post(of(project, "completions"), {"rows": rows, "dry_run": True})
    assert (outcomes(answer), answer.json()["items"]) == (["stored", "stored"], 1)
    assert (Completion.objects.count(), ModelVersion.objects.count()) == (0, 0)


@pytest.mark.parametrize("rows", [[], [{"prompt": str(n)} for n in range(501)], "x", None, {}])
def test_a_batch_of_none_or_too_many_is_refused_whole(project, lead, rows):
    answer = lead.post(of(project, "prompts"), {"rows": rows})
    assert (answer.status_code, answer.json()["error"]["field"]) == (400, "rows")
    assert not Prompt.objects.exists()


def test_a_batch_may_be_larger_than_an_answer(project, lead):
    rows = [{"prompt": f"{n} " + "x" * 10_000} for n in range(300)]
    assert set(outcomes(lead.post(of(project, "prompts"), {"rows": rows}))) == {"stored"}


def test_completions_of_outside_models_land_and_are_queued(project, lead, tmp_path):
    asked = build.prompt(project, "why?").public_id
    foreign = build.prompt(build.project("secret"), "theirs").public_id
    own = world.sft_model(project, tmp_path)
    rows = [
        {"prompt": asked, "model": "m", "text": "one"},
        {"prompt": asked, "model": "n", "text": "one "},
        {"prompt": asked, "model": "m", "text": "one"},
        {"prompt": asked, "model": "m", "text": "  "},
        {"prompt": asked, "model": own.name, "text": "one"},
        {"prompt": foreign, "model": "m", "text": "one"},
        {"prompt": asked, "model": "", "text": "one"},
        {"prompt": asked, "model": "m"},
        {"prompt": asked, "model": "m", "text": "two"},
        7,
    ]
    before = Item.objects.count()
    answer = lead.post(of(project, "completions"), {"rows": rows})
    assert outcomes(answer) == [
        "stored", "merged", "already_there", "empty", "refused", "refused", "refused", "refused", "stored",
        "refused",
    ]  # fmt: skip
    assert (answer.json()["items"], Item.objects.count() - before) == (1, 1)
    assert outcomes(lead.post(of(project, "completions"), {"rows": rows[:1]})) == ["already_there"]
    shown = lead.all(of(project, "completions"), prompt=asked)
    assert sorted(row["shown"]["text"] for row in shown) == ["one", "two"]
    model = ModelVersion.objects.get(project=project, name="n")
    (by_n,) = lead.all(of(project, "completions"), model=model.public_id)
    assert sorted(origin["name"] for origin in by_n["origins"]) == ["m", "n"]


def test_nothing_is_queued_where_the_batch_says_so(project, lead):
    asked = build.prompt(project, "why?").public_id
    rows = [{"prompt": asked, "model": "m", "text": text} for text in ("one", "two")]
    assert lead.post(of(project, "completions"), {"rows": rows, "queue": False}).json()["items"] == 0


def test_freezing_is_asked_of_a_worker(project, lead):
    nothing = lead.post(of(project, "datasets"), {"kind": "sft"})
    assert nothing.status_code == 409
    learn.imported(project, 2)
    asked = lead.post(of(project, "datasets"), {"kind": "sft"})
    assert (asked.status_code, asked.json()) == (202, {"kind": "sft", "newest": None})
    version = datasets.freeze(project, "sft")
    assert lead.post(of(project, "datasets"), {"kind": "sft"}).json()["newest"] == version.public_id


def test_a_round_is_started_overridden_and_stopped(project, lead):
    learn.imported(project, 2)
    begun = lead.post(of(project, "rounds"))
    assert begun.status_code == 201
    assert begun.json()["started_by"]["user"] == lead.user.public_id
    assert [step["name"] for step in begun.json()["steps"]] == [
        "freeze", "sft", "promote", "generate", "retire",
    ]  # fmt: skip
    assert lead.post(of(project, "rounds")).status_code == 409
    name = begun.json()["round"]
    assert lead.post(f"rounds/{name}/override", {"reason": "because"}).status_code == 409
    Round.objects.update(state=Round.State.HELD)
    RoundStep.objects.filter(name="sft").update(state=RoundStep.State.HELD)
    assert lead.post(f"rounds/{name}/override", {"reason": " "}).status_code == 400
    overridden = lead.post(f"rounds/{name}/override", {"reason": "because"}).json()
    assert (overridden["state"], overridden["override_reason"]) == ("running", "because")
    assert lead.post(f"rounds/{name}/stop").json()["state"] == "stopped"


def test_a_run_is_stopped(project, lead):
    learn.imported(project, 2)
    run = world.waiting("sft", {"dataset.jsonl": datasets.freeze(project, "sft")})
    assert lead.post(f"runs/{run.public_id}/stop").json()["state"] == Run.State.STOPPED
    assert lead.post(f"runs/{run.public_id}/stop").status_code == 409


DEEP = b"[" * 100_000 + b"]" * 100_000
HOSTILE = [
    b"", b"not json", b"[]", b"\xff\xfe", b'{"rows": NaN}', b'{"rows": ' + DEEP + b"}", b'{"\\u0000": 1}',
    b'{"kind": "\\u0000", "reason": "\\u0000"}', b'{"kind": "\\ud800", "reason": "\\ud800"}',
    b'{"rows": [{}], "k": 1e400}', b'{"rows": [{}], "seed": ' + b"9" * 5000 + b"}",
    b'{"rows": [{}], "k": ' + b"9" * 400 + b"}", b'{"rows": [{}], "dry_run": {}}', b'{"kind": ["sft"]}',
    b'{"rows": [null]}', b'{"rows": [' + b'{"prompt":' * 40 + b"1" + b"}" * 40 + b"]}",
    b'{"rows": "' + b"x" * 17_000_000 + b'"}',
]  # fmt: skip


@pytest.mark.parametrize("raw", HOSTILE, ids=range(len(HOSTILE)))
@pytest.mark.parametrize("noun", ["prompts", "completions", "datasets", "override"])
def test_hostile_bodies_get_a_clear_4xx(project, lead, raw, noun):
    learn.imported(project, 1)
    before = Prompt.objects.count()
    begun = lead.post(of(project, "rounds")).json()["round"]
    Round.objects.update(state=Round.State.HELD)
    path = f"rounds/{begun}/override" if noun == "override" else of(project, noun)
    answer = lead.client.generic("POST", f"/api/{path}", raw, "application/json")
    assert 400 <= answer.status_code < 500
    assert answer.json()["error"]["message"]
    assert Prompt.objects.count() == before
