"""A lead's program writes guidelines and rubric; a labeler's reads, accepts, and answers what is asked."""

from __future__ import annotations

import pytest

from labeling.models import Prompt
from tests import build
from tests.api.callers import Script

pytestmark = pytest.mark.django_db

FLAG = {
    "key": "made_up",
    "labels": {"en": "Made up", "zh-hans": "编造"},
    "help": {"en": "*for example*"},
    "required": True,
    "use_cases": ["chat"],
}


@pytest.fixture
def ann(project):
    return Script(build.member(project, "ann").user)


def test_guidelines_are_written_read_and_accepted(project, lead, ann):
    address = f"projects/{project.public_id}/guidelines"
    assert ann.get(address).json() == {
        "version": 0, "text": {"text": "", "html": ""}, "accepted": None, "must_accept": False,
    }  # fmt: skip
    body = {"base": 0, "text": "# Read\n", "binding": True, "note": "first"}
    first = lead.post(f"{address}/versions", body)
    assert first.status_code == 201
    assert (first.json()["version"], first.json()["text"]["text"]) == (1, "# Read\n")
    assert lead.post(f"{address}/versions", body).json()["stored"] == {"version": 1, "text": "# Read\n"}
    build.rank_items(project, 1, k=2)
    refused = ann.post(f"projects/{project.public_id}/next", {"kind": "rank"})
    assert (refused.status_code, refused.json()["error"]["code"]) == (409, "guidelines")
    assert ann.get(address).json()["must_accept"]
    assert ann.post(f"{address}/accept", {"version": 2}).status_code == 409
    assert ann.post(f"{address}/accept", {"version": 1}).json()["accepted"] == 1
    assert ann.post(f"projects/{project.public_id}/next", {"kind": "rank"}).json()["assignment"]
    lead.post(f"{address}/versions", {"base": 1, "text": "# Read it\n"})
    listed = lead.all(f"{address}/versions", limit=1)
    assert [(one["version"], one["accepted_by"]) for one in listed] == [(2, 0), (1, 1)]
    assert ann.get(f"projects/{project.public_id}").json()["guidelines"]["text"] == "# Read it\n"
    assert ann.get(f"{address}/versions").status_code == 403


def test_a_rubric_is_written_and_its_flags_are_asked_at_their_use_cases(project, lead, ann):
    address = f"projects/{project.public_id}/rubrics"
    body = {"base": 1, "flags": [FLAG], "scale_max": 5, "help": {"en": "5 is best"}, "note": "less"}
    made = lead.post(address, body)
    assert made.status_code == 201
    assert made.json()["flags"] == [FLAG]
    assert [one["version"] for one in lead.all(address, limit=1)] == [2, 1]
    assert lead.post(address, body).status_code == 409
    wrong = lead.post(address, {**body, "base": 2, "flags": [{**FLAG, "key": "?"}]}).json()["error"]
    assert (wrong["code"], wrong["field"]) == ("badinput", "flags.0.key")
    assert ann.get(address).status_code == 403

    items = build.rank_items(project, 2, k=2)
    Prompt.objects.filter(items=items[0]).update(use_case="chat")
    asked = {}
    for _ in items:
        held = ann.post(f"projects/{project.public_id}/next", {"kind": "rank"}).json()["assignment"]
        use_case = held["prompt"]["use_case"]
        asked[use_case] = held["rubric"]
        given = {"scores": {"A": 5, "B": 1}, "tiers": [["A"], ["B"]]}
        given |= {"denied": {"A": ["made_up"], "B": ["made_up"]}} if use_case else {}
        answer = f"assignments/{held['token']}/ranking"
        assert ann.post(answer, given, **{"Idempotency-Key": build.key()}).status_code == 201
    assert asked[""]["flags"] == []
    assert asked["chat"]["flags"] == [
        {
            "key": "made_up", "label": "Made up", "help": "*for example*",
            "help_html": "<p><em>for example</em></p>\n", "required": True,
        }
    ]  # fmt: skip
    assert (asked["chat"]["help"], asked["chat"]["scale_max"]) == ("5 is best", 5)
    assert lead.all(f"projects/{project.public_id}/rankings")[0]["latest"]["completions"][0]["denied"] in (
        [],
        ["made_up"],
    )
