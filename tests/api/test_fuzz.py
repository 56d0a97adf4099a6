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
from django.core.signals import request_finished, request_started
from django.db import close_old_connections, connection, transaction
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

from tests import build
from tests.api import fuzz_world

CASES = int(os.environ.get("CASES", "2400"))
ROLES = ("labeler", "reviewer", "lead", "operator")
CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]
MIXES = ("as generated", "real ids", "real ids", "a good body", "a good body but for one thing")
pytestmark = pytest.mark.slow


@pytest.fixture
def callers(transactional_db, settings, tmp_path) -> dict[str, fuzz_world.Caller]:
    settings.ARTIFACTS = tmp_path / "artifacts"
    settings.WEBHOOKS = fuzz_world.RECEIVERS
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


@pytest.mark.parametrize("role", ROLES)
def test_no_request_breaks_the_server_or_belies_the_schema(callers, operations, application, role):
    caller, statuses = callers[role], Counter()
    each = max(1, round(CASES / len(ROLES) / len(operations) / len(schemathesis.GenerationMode)))
    for operation in operations:
        for mode in schemathesis.GenerationMode:
            for status in sent(application, operation, mode, caller, each):
                statuses[operation.definition.raw["operationId"], status // 100] += 1
    total = sum(statuses.values())
    classes: Counter[str] = Counter()
    for (_name, status), count in statuses.items():
        classes[f"{status}xx"] += count
    print(f"{role}: {total} cases,", ", ".join(f"{count} {name}" for name, count in sorted(classes.items())))
    names = {name for name, _status in statuses}
    never = sorted(name for name in names if not statuses[name, 2])
    assert total >= CASES / len(ROLES) * 0.8
    assert never == [] if role == "lead" else len(never) < len(names)


def sent(application: Any, operation: Any, mode: Any, caller: fuzz_world.Caller, cases: int) -> list[int]:
    """The statuses that so many requests were answered with, each of them checked."""
    statuses: list[int] = []

    @settings(
        max_examples=cases,
        derandomize=True,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(
        case=operation.as_strategy(generation_mode=mode), mix=st.sampled_from(MIXES), pick=st.integers(0, 9)
    )
    def send(case: Any, mix: str, pick: int) -> None:
        if mix != MIXES[0]:
            name_real_things(case, caller, pick)
        if mix.startswith("a good body"):
            give_a_good_body(case, caller, spoilt="but" in mix)
        statuses.append(answered(application, case, caller))

    with suppress(Unsatisfiable):  # of a request that takes nothing at all, nothing can be wrong
        send()
    return statuses


def answered(application: Any, case: Any, caller: fuzz_world.Caller) -> int:
    headers = {"Authorization": f"Bearer {caller.token}"}
    with transaction.atomic():
        response = case.call(app=application, headers=headers)
        connection.check_constraints()
        transaction.set_rollback(True)
    case.validate_response(response, checks=CHECKS)
    return int(response.status_code)


def name_real_things(case: Any, caller: fuzz_world.Caller, pick: int) -> None:
    for place in (case.path_parameters, case.query):
        for name in list(place or {}):
            if known := caller.ids.get(name):
                place[name] = known[pick % len(known)]


def give_a_good_body(case: Any, caller: fuzz_world.Caller, *, spoilt: bool) -> None:
    good = fuzz_world.BODIES.get(case.operation.definition.raw["operationId"])
    if good is None:
        return
    body = {**good}
    if "rows" in body and "prompt" in body["rows"][0] and not body["rows"][0]["prompt"]:
        body["rows"] = [{**body["rows"][0], "prompt": caller.ids["prompt"][0]}]
    if spoilt and isinstance(case.body, dict) and case.body:
        name = sorted(case.body, key=str)[0]
        body[name] = case.body[name]
    case.body = body
    case.media_type = "application/json"
    case.headers["Idempotency-Key"] = build.key()
    case.query.clear()
