"""The texts of one's assignment as HTML, asked for apart from the work itself."""

from __future__ import annotations

import json

import pytest

from labeling.actions import queue
from labeling.actions.items import NewItem, create_items
from labeling.models import Assignment, Kind
from tests import build
from tests.pages import world

pytestmark = pytest.mark.django_db

TEXTS = ["**one**", "a\nb", "```python\nx = 1\n```", "$x^2$"]


def test_each_letter_has_its_html_and_nothing_moves():
    project = build.project()
    mei = build.member(project, "mei")
    prompt = build.prompt(project, "- so", sensitive=["hate", "violence"])
    create_items(project, [NewItem(prompt, Kind.RANK, [build.completion(prompt, text) for text in TEXTS])])
    held = queue.claim(mei, Kind.RANK, ahead=True)
    assert held is not None
    client = world.signed_in(mei.user)
    answer = client.get(f"/api/assignments/{held.token}/html")
    assert set(answer.json()) == {"messages", "completions"}
    assert answer.json()["messages"] == ["<ul>\n<li>so</li>\n</ul>\n"]
    found = {part["letter"]: part["html"] for part in answer.json()["completions"]}
    wanted = ["<strong>", "a<br>", "code-number", "<math"]
    for letter, position in zip("ABCD", held.shown_order, strict=True):
        assert wanted[position] in found[letter]
    assert Assignment.objects.get(pk=held.pk).state == "reserved"
    body = json.dumps({"kind": "rank"})
    shown = client.post(f"/api/projects/{project.public_id}/next", body, content_type="application/json")
    assert shown.json()["assignment"]["prompt"]["sensitive"] == ["hate", "violence"]


def test_a_persons_way_of_working_is_kept_over_the_api():
    mei = build.member(build.project(), "mei")
    client = world.signed_in(mei.user)

    def put(body):
        return client.put("/api/me/workspace", json.dumps(body), content_type="application/json")

    kept = put({"part": "reading", "value": {"layout": "two_up"}})
    assert kept.status_code == 200
    assert kept.json() == {"part": "reading", "value": {"layout": "two_up"}}
    for body, field in (
        ({"part": "reading", "value": {"layout": "x"}}, "value.layout"),
        ({"part": "all", "value": {}}, "part"),
        ({"value": {}}, "part"),
        ({"part": ["keys"], "value": {}}, "part"),
        ({"part": "keys", "value": {}, "more": 1}, "more"),
    ):
        refused = put(body)
        assert (refused.status_code, refused.json()["error"]["field"]) == (400, field)
    mei.user.refresh_from_db()
    assert mei.user.workspace == {"reading": {"layout": "two_up"}}
