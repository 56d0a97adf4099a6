"""The description of the API is valid, whole, and says what doors.py says."""

from __future__ import annotations

import json
from typing import Any

import pytest
from django.core.management import call_command
from django.test import Client

from labeling.doors import DOORS
from tests import build
from tests.api.callers import Script

pytestmark = pytest.mark.django_db


@pytest.fixture
def schema() -> Any:
    return Client().get("/api/schema").json()


@pytest.fixture
def operations(schema) -> dict[str, Any]:
    return {each["operationId"]: each for path in schema["paths"].values() for each in path.values()}


def test_it_is_valid_openapi_and_leaves_nothing_to_guess(tmp_path):
    file = tmp_path / "schema.json"
    call_command(
        "spectacular", "--validate", "--fail-on-warn", "--format", "openapi-json", "--file", str(file)
    )
    assert json.loads(file.read_text())["openapi"].startswith("3.1")


def test_every_address_is_described(schema, operations):
    described = {name for name in DOORS if name.startswith("api:")}
    assert len(schema["paths"]) == len(described)
    assert all(name.partition(":")[2].replace("-", "_") in operations for name in described)


def test_every_operation_says_what_it_does_takes_gives_and_refuses(operations):
    for name, operation in operations.items():
        assert operation["summary"].endswith("."), name
        assert "\n\nFor " in "\n\n" + operation["description"], name
        refused = operation["responses"]["default"]["content"]["application/json"]["schema"]
        assert refused == {"$ref": "#/components/schemas/Refusal"}, name
        assert any(status.startswith("2") for status in operation["responses"]), name


def test_answers_want_a_key_and_everything_but_itself_a_person(schema, operations):
    keyed = {
        name
        for name, operation in operations.items()
        if any(each["name"] == "Idempotency-Key" for each in operation.get("parameters", []))
    }
    answers = ("ranking", "demonstration", "written_prompt", "review")
    assert keyed == {f"{verb}_{answer}" for verb in ("submit", "revise") for answer in answers}
    open_to_all = {name for name, operation in operations.items() if {} in operation["security"]}
    assert open_to_all == {"schema"}
    kinds = {name: each["type"] for name, each in schema["components"]["securitySchemes"].items()}
    assert kinds == {"token": "http", "session": "apiKey"}


# --- refusals have one shape -------------------------------------------------------------------------


@pytest.fixture
def script():
    return Script(build.member(build.project(), "ann").user)


def shape(answer: Any) -> tuple[int, list[str]]:
    assert answer["Content-Type"] == "application/json"
    return answer.status_code, sorted(answer.json()["error"])


@pytest.mark.parametrize(
    ("method", "path", "headers", "status"),
    [
        ("GET", "nowhere", {}, 404),
        ("GET", "projects/" + 16 * "k", {}, 404),
        ("GET", "projects/", {}, 404),
        ("DELETE", "me", {}, 405),
        ("OPTIONS", "me", {}, 405),
        ("TRACE", "me", {}, 405),
        ("GET", "me", {"Accept": "text/html"}, 406),
        ("GET", "me", {"Accept": "application/xml"}, 406),
        ("GET", "me?x=1", {}, 400),
        ("GET", "me?x=%00", {}, 400),
        ("GET", "projects?limit=%00", {}, 400),
        ("GET", "projects/%00", {}, 400),
        ("GET", "projects/%ff", {}, 404),
        ("GET", "projects?" + "&".join(f"a{n}=1" for n in range(1500)), {}, 400),
        ("GET", "me", {"Cookie": 'rankloop_session="aaaaaaaaaaaa\\000aaaaaaaaaaaa"'}, 400),
        ("GET", "me", {"Host": "elsewhere.example"}, 400),
        ("GET", "runs/" + "9" * 4000, {}, 404),
        ("POST", "assignments/00000000-0000-0000-0000-000000000000/skip", {}, 404),
        ("POST", "assignments/1/skip", {}, 404),
    ],
)
def test_every_refusal_is_json_of_one_shape(script, method, path, headers, status):
    answer = script.client.generic(method, f"/api/{path}", headers=headers)
    assert shape(answer) == (status, ["code", "field", "message"])


@pytest.mark.parametrize(
    "content_type", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data", "x", ""]
)
def test_a_body_that_is_no_json_is_415(script, content_type):
    project = script.get("projects").json()["results"][0]["project"]
    answer = script.client.generic("POST", f"/api/projects/{project}/next", b"kind=rank", content_type)
    assert shape(answer)[0] == 415


def test_another_projects_objects_do_not_exist(script):
    prompt = build.prompt(build.project("secret"), "theirs")
    answer = script.get(f"prompts/{prompt.public_id}")
    assert (shape(answer)[0], answer.json()["error"]["code"]) == (404, "not_found")


def test_what_a_role_may_not_do_is_forbidden(script):
    project = script.get("projects").json()["results"][0]["project"]
    answer = script.get(f"projects/{project}/prompts")
    assert (shape(answer)[0], answer.json()["error"]["code"]) == (403, "forbidden")


def test_every_refusal_of_a_verb_has_its_status_and_too_many_says_when_to_come_back():
    from labeling.actions import limits
    from labeling.api import errors

    answer = errors.answer(limits.too_many(90), {})
    assert (answer.status_code, answer.headers["Retry-After"]) == (429, "90")
    assert answer.data["error"]["message"] == "Too many attempts. Try again in 2 minutes."
