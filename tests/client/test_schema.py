"""The client and the API's description of itself say the same, so that neither moves on alone."""

from __future__ import annotations

import inspect
from dataclasses import is_dataclass
from datetime import datetime
from types import NoneType, UnionType
from typing import Any, Required, get_args, get_origin, get_type_hints, is_typeddict

import pytest
from django.test import Client as Browser

from rankloop_client import Client, operations, records, work
from rankloop_client.operations import Listing, Operation
from rankloop_client.reading import hints

ONCE = "a subscription is set up once, on a lead's page, and then it is the receiver that is called"
LOOKED_AT = "what is right at an item, a lead decides with the texts in view, on the page"
BY_HAND = "who is let in, and as what, a lead decides on the page"
ON_THE_PAGE = "what labelers gave is compared and judged on the page, which shows it side by side"
NOT_COVERED = {
    "schema": "what the API says about itself is for programs that know no client",
    "assignment": "a page goes on with what was left unfinished in its browser",
    "assignment_html": "HTML of texts is for pages",
    "set_workspace": "how a page reads is set on that page",
    "preview": "it shows a text to who is writing it",
    "own_demonstration_revisions": "the page brings an earlier version back",
    "own_prompt_revisions": ON_THE_PAGE,
    "submit_written_prompt": ON_THE_PAGE,
    "revise_written_prompt": ON_THE_PAGE,
    "written_prompts": ON_THE_PAGE,
    "written_prompt": ON_THE_PAGE,
    "ask_for_prompts": ON_THE_PAGE,
    "webhooks": ONCE,
    "subscribe": ONCE,
    "webhook": ONCE,
    "change_webhook": ONCE,
    "delete_webhook": ONCE,
    "test_webhook": ONCE,
    "deliveries": ONCE,
    "send_again": ONCE,
    "submit_review": ON_THE_PAGE,
    "revise_review": ON_THE_PAGE,
    "reviews": ON_THE_PAGE,
    "review": ON_THE_PAGE,
    "returns": ON_THE_PAGE,
    "reply": ON_THE_PAGE,
    "close_return": ON_THE_PAGE,
    "checks": LOOKED_AT,
    "make_check": LOOKED_AT,
    "set_check_active": LOOKED_AT,
    "members": BY_HAND,
    "member": BY_HAND,
    "change_member": BY_HAND,
    "set_active": BY_HAND,
    "invitations": BY_HAND,
    "invite": BY_HAND,
    "revoke_invitation": BY_HAND,
}
"""Operations that the client leaves out, and why. A new one of the API fails here until it is decided on."""

OPERATIONS: dict[str, Listing[Any] | Operation[Any]] = {
    name.lower(): value for name, value in vars(operations).items() if isinstance(value, Listing | Operation)
}
SENT = {
    "GivenRanking": work.GivenRanking,
    "PromptRow": records.PromptRow,
    "CompletionRow": records.CompletionRow,
}
PASSED_BY_THE_CLIENT = {"limit", "after"}
FOR_PAGES = {"html"}


@pytest.fixture(scope="module")
def schema() -> Any:
    return Browser().get("/api/schema").json()


@pytest.fixture(scope="module")
def described(schema) -> dict[str, Any]:
    return {
        operation["operationId"]: {**operation, "method": method.upper(), "path": path}
        for path, methods in schema["paths"].items()
        for method, operation in methods.items()
    }


def test_every_operation_is_covered_or_left_out_for_a_reason(described):
    assert set(OPERATIONS) | set(NOT_COVERED) == set(described)
    assert not set(OPERATIONS) & set(NOT_COVERED)
    assert all(callable(getattr(Client, name, None)) for name in OPERATIONS)


@pytest.mark.parametrize("name", OPERATIONS)
def test_an_operation_has_the_address_the_key_and_the_parameters_that_are_described(described, name):
    ours, theirs = OPERATIONS[name], described[name]
    method = ours.method if isinstance(ours, Operation) else "GET"
    assert (method, f"/api/{ours.path}") == (theirs["method"], theirs["path"])
    parameters = theirs.get("parameters", [])
    is_keyed = isinstance(ours, Operation) and ours.keyed
    assert is_keyed == any(each["name"] == "Idempotency-Key" for each in parameters)
    if theirs["method"] != "GET":
        return
    taken = set(inspect.signature(getattr(Client, name)).parameters) - {"self"}
    wanted = {each["name"] for each in parameters if each["in"] in ("path", "query")}
    hidden = FOR_PAGES | (PASSED_BY_THE_CLIENT if isinstance(ours, Listing) else {"limit"})
    assert taken == wanted - hidden


@pytest.mark.parametrize("name", OPERATIONS)
def test_what_an_operation_gives_is_what_is_described(schema, described, name):
    ours = OPERATIONS[name]
    answers = [answer for status, answer in described[name]["responses"].items() if status.startswith("2")]
    assert answers
    for answer in answers:
        if ours.gives is NoneType:
            assert not answer.get("content")
            continue
        (content,) = answer["content"].values()
        given = resolved(schema, content["schema"])
        if isinstance(ours, Listing):
            assert set(given["properties"]) == {"results", "next"}
            given = given["properties"]["results"]["items"]
        assert faults(schema, ours.gives, given, name) == []


@pytest.mark.parametrize("name", [name for name, each in OPERATIONS.items() if isinstance(each, Operation)])
def test_what_is_sent_is_what_is_described(schema, described, name):
    """By the parameters of the client's method; a typed dictionary among them counts by its keys."""
    body = described[name].get("requestBody")
    if body is None:
        return
    theirs = resolved(schema, body["content"]["application/json"]["schema"])
    method = getattr(Client, name)
    kinds = hints(method)
    ours: set[str] = set()
    for parameter in inspect.signature(method).parameters:
        kind = kinds.get(parameter)
        ours |= set(hints(kind)) if is_typeddict(kind) else {parameter}
    in_path = {part[1:-1] for part in OPERATIONS[name].path.split("/") if part.startswith("{")}
    ours -= {"self", "key", *in_path}
    assert set(theirs.get("required", [])) <= ours <= set(theirs["properties"])
    assert set(theirs["properties"]) - ours <= {"mode", "pasted_share"}  # which only a page can tell


def test_the_rows_and_rankings_that_are_sent_are_those_described(schema):
    components = schema["components"]["schemas"]
    theirs = {
        "GivenRanking": components["GivenRanking"],
        "PromptRow": components["PromptBatch"]["properties"]["rows"]["items"],
        "CompletionRow": components["CompletionBatch"]["properties"]["rows"]["items"],
    }
    for name, ours in SENT.items():
        assert set(hints(ours)) == set(theirs[name]["properties"]), name
        kinds = get_type_hints(ours, include_extras=True)
        required = {key for key, kind in kinds.items() if ours.__total__ or get_origin(kind) is Required}
        assert required == set(theirs[name]["required"]), name


# --- a shape against its description -----------------------------------------------------------------


def resolved(schema: Any, told: Any) -> Any:
    """What is described, without detours by name."""
    if "allOf" in told:
        (told,) = told["allOf"]
    if "$ref" in told:
        return resolved(schema, schema["components"]["schemas"][told["$ref"].rpartition("/")[2]])
    return told


def faults(schema: Any, ours: Any, theirs: Any, place: str) -> list[str]:
    """Where a type of the client's is another than the described one."""
    theirs = resolved(schema, theirs)
    if isinstance(ours, UnionType):
        inner = get_args(ours)[0]
        if "oneOf" in theirs:
            (some,) = (each for each in theirs["oneOf"] if each != {"type": "null"})
            return faults(schema, inner, some, place) + ([] if len(theirs["oneOf"]) == 2 else [place])
        kinds = theirs["type"]
        if "null" not in kinds:
            return [f"{place} is never null"]
        (kind,) = set(kinds) - {"null"}
        return faults(schema, inner, {**theirs, "type": kind}, place)
    if is_dataclass(ours):
        told = theirs["properties"]
        found = [f"{place} has no {name}" for name in hints(ours) if name not in told]
        found += [f"{place}.{name} may be left out" for name in hints(ours) if name not in theirs["required"]]
        for name, kind in hints(ours).items():
            if name in told:
                found += faults(schema, kind, told[name], f"{place}.{name}")
        return found
    if get_origin(ours) is tuple:
        return faults(schema, get_args(ours)[0], theirs["items"], f"{place}[]")
    if ours is datetime:
        return [] if (theirs["type"], theirs.get("format")) == ("string", "date-time") else [place]
    if get_origin(ours) is dict:
        is_object = theirs.get("type") == "object" or "oneOf" in theirs
        return [] if is_object else [place]
    kinds = {str: "string", int: "integer", bool: "boolean"}
    return [] if theirs["type"] == kinds[ours] else [f"{place} is {theirs['type']}"]


def test_a_shape_that_differs_would_be_found(schema):
    prompt = schema["components"]["schemas"]["Prompt"]
    assert faults(schema, records.Prompt, prompt, "Prompt") == []
    renamed = {**prompt["properties"], "text": prompt["properties"]["messages"]}
    del renamed["messages"]
    renamed["split"] = {"type": ["string", "null"]}
    renamed["created_at"] = {"type": "string"}
    assert faults(schema, records.Prompt, {**prompt, "properties": renamed}, "Prompt") == [
        "Prompt has no messages",
        "Prompt.split is ['string', 'null']",
        "Prompt.created_at",
    ]
