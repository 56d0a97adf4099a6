"""Checks by the API, and that the lists of answers show them only to who asks."""

from __future__ import annotations

import pytest

from labeling.actions import checks, queue, rankings
from labeling.models import Completion, Gold, Kind
from tests import build
from tests.api.callers import Script

pytestmark = pytest.mark.django_db


@pytest.fixture
def texts(project):
    (item,) = build.rank_items(project, 1, k=3)
    return [
        part.completion.public_id
        for part in item.item_completions.order_by("position").select_related("completion")
    ]


def body(texts, **more):
    places = [{"completion": text, "rank": rank} for rank, text in enumerate(texts, 1)]
    places[0]["flags"] = ["hallucination"]
    whole = {"purpose": "gold", "right": places, "checked": ["hallucination"], "explanation": {"en": "So."}}
    return {**whole, **more}


def test_a_check_is_made_listed_and_retired(project, lead, texts):
    made = lead.post(f"projects/{project.public_id}/checks", body(texts))
    assert made.status_code == 201
    shown = made.json()
    assert [(place["rank"], place["flags"]) for place in shown["right"]] == [
        (1, ["hallucination"]), (2, []), (3, []),
    ]  # fmt: skip
    assert lead.post(f"projects/{project.public_id}/checks", body(texts)).status_code == 409
    assert lead.all(f"projects/{project.public_id}/checks", purpose="gold") == [shown]
    assert lead.all(f"projects/{project.public_id}/checks", purpose="test") == []
    retired = lead.post(f"checks/{shown['item']}/active", {"is_active": False}).json()
    assert (retired["is_active"], Gold.objects.get().is_active) == (False, False)


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"right": []}, "right"),
        ({"purpose": "work"}, "purpose"),
        ({"checked": ["rude"]}, "flags"),
        ({"checked": ["fails_instruction"]}, "flags"),
        ({"explanation": {"tlh": "Qapla'"}}, "explanation"),
        ({"colour": "red"}, "colour"),
    ],
)
def test_what_cannot_be_is_refused_by_the_fields_name(project, lead, texts, change, field):
    answer = lead.post(f"projects/{project.public_id}/checks", body(texts, **change))
    assert (answer.status_code, answer.json()["error"]["field"]) == (400, field)


def test_no_completion_of_another_project_enters(project, lead, texts):
    elsewhere = build.project("elsewhere")
    build.rank_items(elsewhere, 1, k=2)
    foreign = Completion.objects.filter(prompt__project=elsewhere).first()
    places = [*body(texts)["right"], {"completion": foreign.public_id, "rank": 4}]
    answer = lead.post(f"projects/{project.public_id}/checks", body(texts, right=places))
    assert (answer.status_code, answer.json()["error"]["field"]) == (400, "right")


def test_lists_show_checks_and_repeats_to_who_asks_for_them(project, lead, texts):
    ann = build.member(project, "ann")
    held = queue.claim(ann, Kind.RANK)
    rankings.submit(held, build.answer(held), build.key())
    (gold,) = build.golds(project, 1)
    for item, is_repeat in ((gold.item_id, False), (held.item_id, True)):
        chosen = checks.reserve(item, ann.user_id, is_repeat=is_repeat)
        again = queue.claim_check(ann, Kind.RANK, lambda chosen=chosen: chosen)
        rankings.submit(again, build.answer(again), build.key())
    address = f"projects/{project.public_id}"
    assert [len(lead.all(f"{address}/rankings", **query)) for query in (
        {}, {"purpose": "gold"}, {"repeats": "true"})] == [1, 1, 1]  # fmt: skip
    assert [len(lead.all(f"{address}/items", **query)) for query in ({}, {"purpose": "gold"})] == [1, 1]
    # To the labeler they are answers like any other.
    own = Script(ann.user).all(f"{address}/answers", kind="rank")
    assert len(own) == 3
    assert len({frozenset(answer) for answer in own}) == 1
