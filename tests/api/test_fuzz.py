"""Requests that nobody thought of, for each role: no answer is a server's error, and none belies the schema.

`make fuzz CASES=50000` runs more of them. Every request meets the same world: what it wrote is taken back.
"""

from __future__ import annotations

import json
import logging
import os
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import pytest
import schemathesis
from django.conf import settings as django_settings
from django.core.signals import request_finished, request_started
from django.db import close_old_connections, connection, transaction
from django.http import HttpRequest
from django.middleware.csrf import get_token
from django.test import Client
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from hypothesis.errors import Unsatisfiable
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from labeling.api.schema import names
from labeling.doors import ANYONE, DOORS, PERSON, Door
from labeling.models import Role
from tests import build
from tests.api import fuzz_world

CASES = int(os.environ.get("CASES", "1500"))
LEAST = 1000
"""Cases in all, whatever the generator leaves out."""
ROLES = ("labeler", "reviewer", "lead", "operator")
CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]
POSITIVE = schemathesis.GenerationMode.POSITIVE
GOOD = "a good request"
MIXES = ("as generated", "real ids", "real ids", GOOD, "a good request but for one thing")
pytestmark = pytest.mark.slow


@pytest.fixture
def callers(transactional_db, settings, tmp_path) -> dict[str, fuzz_world.Caller]:
    settings.ARTIFACTS = tmp_path / "artifacts"
    settings.WEBHOOKS, settings.SERVERS = fuzz_world.RECEIVERS, fuzz_world.SERVERS
    return fuzz_world.made(tmp_path / "models")


@pytest.fixture(scope="module")
def operations() -> list[Any]:
    from labeling.api.openapi import written

    schema = schemathesis.openapi.from_dict(json.loads(written()))
    return [found.ok() for found in schema.get_all_operations()]


@pytest.fixture(scope="module")
def application() -> Any:
    from labeling.wsgi import application

    return application


@pytest.fixture(autouse=True)
def one_connection() -> Iterator[None]:
    """As Django's own test client does: what a request ends is not our transaction."""
    signals = (request_started, request_finished)
    for signal in signals:
        signal.disconnect(close_old_connections)
    yield
    for signal in signals:
        signal.connect(close_old_connections)


@pytest.fixture(autouse=True)
def silent(application, caplog) -> None:
    """Thousands of refusals are what is wanted here. (Loading the application set up the logging anew.)"""
    caplog.set_level(logging.CRITICAL, "django.request")


def expected(role: str, operations: list[Any]) -> set[str]:
    """What somebody in this role may call, as doors.py says. The operator is in no project."""
    order = [str(each) for each in Role]

    def may_call(door: Door) -> bool:
        if door in (ANYONE, PERSON):
            return True
        return role in order and (door.role is None or order.index(role) >= order.index(door.role))

    may = {name_of(each) for each in operations if may_call(DOORS[f"api:{names()[each.path]}"])}
    # A labeler holds no review that could be theirs to give.
    return may - {"submit_review", "revise_review"} if role == str(Role.LABELER) else may


def name_of(operation: Any) -> str:
    return str(operation.definition.raw["operationId"])


SignIn = dict[str, dict[str, str]]


def by_token(caller: fuzz_world.Caller) -> SignIn:
    return {"headers": {"Authorization": f"Bearer {caller.token}"}}


def by_session(caller: fuzz_world.Caller) -> SignIn:
    """What a browser sends along with a request of our pages."""
    client = Client()
    client.force_login(caller.user)
    page = HttpRequest()
    token = get_token(page)  # what a page with a form would set as a cookie and write into the form
    client.cookies[django_settings.CSRF_COOKIE_NAME] = page.META["CSRF_COOKIE"]
    cookies = {name: cookie.value for name, cookie in client.cookies.items()}
    return {"cookies": cookies, "headers": {"X-CSRFToken": token}}


COMERS = [*((role, by_token) for role in ROLES), ("lead", by_session)]


@pytest.mark.parametrize(("role", "way"), COMERS)
def test_no_request_breaks_the_server_or_belies_the_schema(callers, operations, application, role, way):
    caller, statuses = callers[role], Counter()
    signed_in = way(caller)
    each = max(1, round(CASES / len(COMERS) / len(operations) / len(schemathesis.GenerationMode)))
    for operation in operations:
        known = (application, operation, caller, signed_in)
        answers = [status for mode in schemathesis.GenerationMode for status in sent(*known, mode, each)]
        # One of these is right, whatever chance made of the others: an assignment of each kind is named.
        answers += [status for pick in range(4) for status in sent(*known, POSITIVE, 1, GOOD, pick)]
        statuses.update((name_of(operation), status // 100) for status in answers)
    total = sum(statuses.values())
    classes: Counter[str] = Counter()
    for (_name, status), count in statuses.items():
        classes[f"{status}xx"] += count
    told = ", ".join(f"{count} {name}" for name, count in sorted(classes.items()))
    print(f"{role}, {way.__name__}: {total} cases, {told}")
    assert total >= LEAST / len(COMERS)
    assert {name for name, status in statuses if status == 2} == expected(role, operations)


def sent(
    application: Any,
    operation: Any,
    caller: fuzz_world.Caller,
    signed_in: SignIn,
    mode: Any,
    cases: int,
    *chosen: Any,
) -> list[int]:
    """The statuses that so many requests were answered with, each of them checked; `chosen`: mix and pick."""
    mixes, picks = map(st.just, chosen) if chosen else (st.sampled_from(MIXES), st.integers(0, 9))
    statuses: list[int] = []

    @settings(
        max_examples=cases,
        derandomize=True,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=operation.as_strategy(generation_mode=mode), mix=mixes, pick=picks)
    def send(case: Any, mix: str, pick: int) -> None:
        if mix != MIXES[0]:
            name_real_things(case, caller, pick)
        if mix.startswith(GOOD):
            give_what_is_taken(case, caller, spoilt="but" in mix)
        statuses.append(answered(application, case, signed_in))

    with suppress(Unsatisfiable):  # of a request that takes nothing at all, nothing can be wrong
        send()
    return statuses


def answered(application: Any, case: Any, signed_in: SignIn) -> int:
    case.headers.pop("Authorization", None)  # what was generated in the place of a token
    case.headers["Accept-Encoding"] = "identity"  # called like this, nothing unpacks an answer
    with transaction.atomic():
        response = case.call(app=application, **signed_in)
        connection.check_constraints()
        transaction.set_rollback(True)
    case.validate_response(response, checks=CHECKS)
    return int(response.status_code)


def name_real_things(case: Any, caller: fuzz_world.Caller, pick: int) -> None:
    for place in (case.path_parameters, case.query):
        for name in list(place or {}):
            if known := caller.ids.get(name):
                place[name] = known[pick % len(known)]


def give_what_is_taken(case: Any, caller: fuzz_world.Caller, *, spoilt: bool) -> None:
    case.query.clear()
    case.query.update(fuzz_world.QUERIES.get(name_of(case.operation), {}))
    good = fuzz_world.BODIES.get(name_of(case.operation))
    if good is None:
        return
    body = {**good}
    if "rows" in body and "prompt" in body["rows"][0] and not body["rows"][0]["prompt"]:
        body["rows"] = [{**body["rows"][0], "prompt": caller.ids["prompt"][0]}]
    if "right" in body:
        named = zip(body["right"], caller.ids["completion"], strict=True)
        body["right"] = [{**place, "completion": completion} for place, completion in named]
    if spoilt and isinstance(case.body, dict) and case.body:
        name = sorted(case.body, key=str)[0]
        body[name] = case.body[name]
    case.body = body
    case.media_type = "application/json"
    case.headers["Idempotency-Key"] = build.key()
