"""A project on a live server, clients of its people, and a bad connection to it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from rankloop_client import Client, Retries

QUICK = Retries(total=20, first=0.01, longest=0.05)


@pytest.fixture
def store(transactional_db, settings, tmp_path):
    settings.ARTIFACTS = tmp_path / "artifacts"


@pytest.fixture
def project(store):
    from tests import learn

    return learn.project()


@pytest.fixture
def relay(live_server) -> Iterator[Any]:
    from tests.client.relay import standing_before

    with standing_before(live_server.url) as relay:
        yield relay


@pytest.fixture
def client_of(relay) -> Iterator[Callable[..., Client]]:
    """A client of somebody's, over the bad connection."""
    from labeling.actions import tokens

    made: list[Client] = []

    def make(user: Any, **options: Any) -> Client:
        secret = tokens.create(user, "a script")[1]
        made.append(Client(relay.url, secret, **{"retries": QUICK, **options}))
        return made[-1]

    yield make
    for client in made:
        client.close()


@pytest.fixture
def ann(project):
    from tests import build

    return build.member(project, "ann")


@pytest.fixture
def lin(project):
    from labeling.models import Role
    from tests import build

    return build.member(project, "lin", Role.LEAD)


@pytest.fixture
def labeler(client_of, ann) -> Client:
    return client_of(ann.user)


@pytest.fixture
def lead(client_of, lin) -> Client:
    return client_of(lin.user)
