"""Prompts by labelers over HTTP: what a labeler is shown, what each role may read, and telemetry."""

from __future__ import annotations

import pytest

from labeling.actions import items, queue
from labeling.models import DemonstrationRevision, Item, Kind, Role, WrittenPrompt
from tests import build
from tests.api.callers import Script

pytestmark = pytest.mark.django_db


@pytest.fixture
def project():
    return build.project()


@pytest.fixture
def lead(project):
    return Script(build.member(project, "lin", Role.LEAD).user)


@pytest.fixture
def labeler(project):
    return Script(build.member(project, "mei").user)


def next_prompt(script, project):
    answer = script.post(f"projects/{project.public_id}/next", {"kind": "prompt"})
    return answer.json()["assignment"]


def submit(script, token, body, key="a key of mine"):
    return script.post(f"assignments/{token}/written-prompt", body, **{"Idempotency-Key": key})


def test_a_prompt_goes_from_a_leads_request_to_a_labeler_and_back(project, lead, labeler):
    asked = {"count": 2, "kind": "user_based", "note": "A bakery's chat", "use_case": "chat"}
    made = lead.post(f"projects/{project.public_id}/prompts/ask", asked)
    assert (made.status_code, made.json()) == (201, {"items": 2})
    shown = next_prompt(labeler, project)
    assert shown["brief"] == {"kind": "user_based", "note": "A bakery's chat"}
    assert shown["prompt"] == {"messages": [], "language": "", "use_case": "chat", "sensitive": []}
    assert shown["completions"] == []
    body = {**build.PROMPT, "use_case": "chat", "flags": ["advice"], "pasted_share": 0.5}
    first = submit(labeler, shown["token"], body)
    again = submit(labeler, shown["token"], {**body, "pasted_share": 0.75, "active_seconds": 3})
    assert (first.status_code, again.status_code) == (201, 200)
    assert first.json() == again.json()
    (listed,) = lead.all(f"projects/{project.public_id}/written-prompts")
    assert (listed["prompt"], listed["verdict"], listed["extra"]) == (None, "", False)
    assert (listed["latest"]["flags"], listed["latest"]["pasted_share"]) == (["advice"], 0.5)
    whole = lead.get(f"written-prompts/{listed['written_prompt']}").json()
    assert [each["number"] for each in whole["history"]] == [1]
    assert labeler.get(f"written-prompts/{listed['written_prompt']}").status_code == 403
    (item, _other) = reversed(lead.all(f"projects/{project.public_id}/items"))
    assert (item["kind"], item["prompt"], item["brief"]["note"]) == ("prompt", None, "A bakery's chat")


def test_a_refused_request_names_its_field_and_asks_for_nothing(project, lead):
    for body, field in [
        ({"count": 2, "kind": "user_based"}, "note"),
        ({"count": 0, "kind": "plain"}, "count"),
        ({"count": 2, "kind": "plain", "overlap": 2}, "overlap"),
    ]:
        answer = lead.post(f"projects/{project.public_id}/prompts/ask", body)
        assert (answer.status_code, answer.json()["error"]["field"]) == (400, field)
    assert not Item.objects.exists()


def test_a_labeler_sees_all_versions_of_their_own_and_only_those(project, labeler):
    items.ask_for_prompts(project, 1, kind="plain")
    token = next_prompt(labeler, project)["token"]
    answer = submit(labeler, token, build.PROMPT).json()["answer"]
    changed = {**build.PROMPT, "messages": [{"role": "user", "content": "Why?"}], "base": 1}
    labeler.post(f"written-prompts/{answer}/revisions", changed, **{"Idempotency-Key": "another key"})
    revisions = labeler.get(f"written-prompts/{answer}/revisions").json()["revisions"]
    assert [each["number"] for each in revisions] == [2, 1]
    assert revisions[1]["given"] == {**build.PROMPT, "flags": []}
    other = Script(build.member(project, "ann").user)
    assert other.get(f"written-prompts/{answer}/revisions").status_code == 404
    (own,) = labeler.all(f"projects/{project.public_id}/answers", kind="prompt")
    assert (own["answer"], own["given"]) == (answer, revisions[0]["given"])


def test_the_pasted_share_of_a_demonstration_is_for_reviewers_and_never_refuses_a_text(project, lead):
    build.demonstrate_items(project, 2)
    mei = build.member(project, "mei")
    script = Script(mei.user)
    for share in (0.4, None):
        token = queue.claim(mei, Kind.DEMONSTRATE).token
        body = {"text": "so"} if share is None else {"text": "so", "pasted_share": share}
        path = f"assignments/{token}/demonstration"
        assert script.post(path, body, **{"Idempotency-Key": build.key()}).status_code == 201
    shares = [
        each["latest"]["pasted_share"] for each in lead.all(f"projects/{project.public_id}/demonstrations")
    ]
    assert shares == [None, 0.4]
    token = queue.claim(build.member(project, "ann"), Kind.DEMONSTRATE)
    assert token is None
    assert DemonstrationRevision.objects.count() == 2


def test_a_preview_is_safe_html_and_stores_nothing(project, labeler):
    hostile = "**bold** <script>alert(1)</script> [x](javascript:alert(1)) ![i](http://elsewhere/)"
    html = labeler.post("preview", {"text": hostile}).json()["html"]
    assert "<strong>bold</strong>" in html
    assert "<script" not in html
    assert "href" not in html
    assert "<img" not in html
    assert labeler.post("preview", {"text": 7}).status_code == 400
    assert labeler.post("preview", {"text": "a\x00"}).status_code == 400
    assert not WrittenPrompt.objects.exists()
