"""The API as a browser and a simulated labeler use it, and what it says to hostile requests."""

from __future__ import annotations

import json

import pytest
from django.test import Client

from labeling.actions import leases
from labeling.models import Item, Kind, Ranking
from tests import build

pytestmark = pytest.mark.django_db


@pytest.fixture
def project():
    return build.project()


@pytest.fixture
def ann(project):
    client = Client()
    client.force_login(build.member(project, "ann").user)
    return client


def post(client: Client, path: str, body: object = None, key: str = ""):
    headers = {"Idempotency-Key": key} if key else {}
    return client.post(f"/api/{path}", body if body is not None else {}, "application/json", headers=headers)


def next_item(client: Client, project, kind: str = "rank", **more: object):
    answer = post(client, f"projects/{project.public_id}/next", {"kind": kind, **more})
    assert answer.status_code == 200, answer.content
    return answer.json()["assignment"]


RANKING = {"scores": {"A": 4, "B": 3, "C": 2, "D": 1}, "tiers": [["A"], ["B"], ["C"], ["D"]]}


def test_a_labeler_gets_letters_and_texts_and_nothing_that_tells_who_wrote_them(project, ann):
    build.rank_items(project, 1)
    given = next_item(ann, project)
    assert [part["letter"] for part in given["completions"]] == ["A", "B", "C", "D"]
    assert {tuple(sorted(part)) for part in given["completions"]} == {("letter", "text")}
    assert sorted(given) == [
        "brief", "completions", "draft", "kind", "lease_seconds", "lease_until", "method", "project",
        "prompt", "rubric", "state", "token",
    ]  # fmt: skip
    assert given["brief"] is None


def test_a_ranking_lands_once_however_often_it_is_sent(project, ann):
    build.rank_items(project, 1)
    token, key = next_item(ann, project)["token"], build.key()
    first = post(ann, f"assignments/{token}/ranking", RANKING, key)
    again = post(ann, f"assignments/{token}/ranking", RANKING, key)
    other = post(ann, f"assignments/{token}/ranking", {**RANKING, "comment": "x"}, key)
    assert [first.status_code, again.status_code, other.status_code] == [201, 200, 422]
    assert first.json()["answer"] == again.json()["answer"]
    assert Ranking.objects.count() == 1


def test_a_draft_is_kept_and_comes_back(project, ann):
    build.rank_items(project, 1)
    token = next_item(ann, project)["token"]
    saved = ann.put(f"/api/assignments/{token}/draft", {"sequence": 3, "body": {"n": 1}}, "application/json")
    assert saved.status_code == 200
    assert next_item(ann, project)["draft"] == {"sequence": 3, "body": {"n": 1}}
    old = ann.put(f"/api/assignments/{token}/draft", {"sequence": 2, "body": {}}, "application/json")
    assert (old.status_code, old.json()["draft"]["sequence"]) == (409, 3)


def test_an_assignment_is_there_whatever_has_become_of_it(project, ann):
    build.demonstrate_items(project, 1)
    token = next_item(ann, project, "demonstrate")["token"]
    ann.put(f"/api/assignments/{token}/draft", {"sequence": 1, "body": {"n": 1}}, "application/json")
    build.overdue(project)
    leases.expire_leases()
    found = ann.get(f"/api/assignments/{token}").json()
    assert (found["assignment"]["state"], found["stored"]) == ("expired", None)
    assert found["assignment"]["draft"] == {"sequence": 1, "body": {"n": 1}}
    done = post(ann, f"assignments/{token}/demonstration", {"text": "Late."}, build.key()).json()
    found = ann.get(f"/api/assignments/{token}").json()
    assert found["assignment"]["state"] == "answered"
    assert found["stored"] == {"answer": done["answer"], "revision": 1}


def test_a_demonstration_is_written_and_revised(project, ann):
    build.demonstrate_items(project, 1)
    token = next_item(ann, project, "demonstrate")["token"]
    done = post(ann, f"assignments/{token}/demonstration", {"text": "Once."}, build.key())
    assert done.status_code == 201
    path = f"demonstrations/{done.json()['answer']}/revisions"
    assert post(ann, path, {"text": "Twice.", "base": 1}, build.key()).status_code == 201
    stale = post(ann, path, {"text": "Thrice.", "base": 1}, build.key())
    assert (stale.status_code, stale.json()["stored"]) == (409, {"text": "Twice.", "revision": 2})


def test_an_empty_queue_says_so(project, ann):
    answer = post(ann, f"projects/{project.public_id}/next", {"kind": "rank"}).json()
    assert answer["assignment"] is None
    assert answer["reason"]


def test_another_project_and_another_labelers_assignment_do_not_exist(project, ann):
    other = build.project("secret")
    build.rank_items(other, 1)
    ben = Client()
    ben.force_login(build.member(other, "ben").user)
    token = next_item(ben, other)["token"]
    assert post(ann, f"projects/{other.public_id}/next", {"kind": "rank"}).status_code == 404
    assert ann.get(f"/api/assignments/{token}").status_code == 404
    for verb in ("show", "renew", "release", "skip", "ranking", "demonstration"):
        assert post(ann, f"assignments/{token}/{verb}", {}, build.key()).status_code == 404


def test_nobody_gets_in_without_signing_in(project):
    assert post(Client(), f"projects/{project.public_id}/next", {"kind": "rank"}).status_code == 401


def test_csrf_is_enforced(project):
    strict = Client(enforce_csrf_checks=True)
    strict.force_login(build.member(project, "cat").user)
    assert post(strict, f"projects/{project.public_id}/next", {"kind": "rank"}).status_code == 403


DEEP = "[" * 100_000 + "]" * 100_000


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"not json",
        b"[]",
        b"\xff\xfe",
        b'{"scores": NaN}',
        b'{"comment": "\\u0000"}',
        b'{"\\u0000": 1}',
        b'{"comment": "\\ud800"}',
        f'{{"scores": {DEEP}}}'.encode(),
        b'{"tiers": ' + b"[" * 40 + b"]" * 40 + b"}",
        b'{"comment": "' + b"x" * 2_000_000 + b'"}',
        b'{"scores": {"A": 1e400}}',
        b'{"scores": {"A": ' + b"9" * 5000 + b"}}",
        b'{"mode": ["keys"], "scores": {"A": 1}}',
        b'{"tiers": [[["A"]]], "scores": {"A": 1, "B": 1, "C": 1, "D": 1}}',
        b'{"flags": {"A": [{}]}, "scores": {"A": 1, "B": 1, "C": 1, "D": 1}, "all_bad": true}',
        b'{"scores": {"E": 1}}',
    ],
)
@pytest.mark.parametrize("verb", ["ranking", "demonstration", "draft", "skip", "next"])
def test_hostile_bodies_get_a_clear_4xx(project, ann, raw, verb):
    kind = Kind.DEMONSTRATE if verb == "demonstration" else Kind.RANK
    build.rank_items(project, 1)
    build.demonstrate_items(project, 1)
    token = next_item(ann, project, kind)["token"]
    if verb == "next":
        answer = ann.generic("POST", f"/api/projects/{project.public_id}/next", raw, "application/json")
    elif verb == "draft":
        answer = ann.generic("PUT", f"/api/assignments/{token}/draft", raw, "application/json")
    else:
        answer = ann.generic(
            "POST", f"/api/assignments/{token}/{verb}", raw, "application/json",
            headers={"Idempotency-Key": build.key()},
        )  # fmt: skip
    assert 400 <= answer.status_code < 500, answer.content
    error = json.loads(answer.content)["error"]
    assert error["message"]
    assert not Ranking.objects.exists()
    assert Item.objects.filter(slots__state="held").count() == 1


HOSTILE_PATHS = ["/api/projects?x=%00", "/api/%00", "/api/projects/%00/next", "/p/%FF/rank/"]


@pytest.mark.parametrize("path", HOSTILE_PATHS)
def test_hostile_addresses_get_a_4xx(ann, path):
    assert 400 <= ann.get(path).status_code < 500


def test_a_wrong_content_type_is_refused(project, ann):
    path = f"/api/projects/{project.public_id}/next"
    assert ann.post(path, "kind=rank", "application/x-www-form-urlencoded").status_code == 415
