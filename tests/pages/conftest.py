"""A project with its lead, signed in."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from django.test import Client

if TYPE_CHECKING:
    from labeling.models import Membership, Project


@pytest.fixture(autouse=True)
def store(settings: Any, tmp_path: Any) -> None:
    settings.ARTIFACTS = tmp_path / "artifacts"


@pytest.fixture
def project(transactional_db: None) -> Project:
    from tests import build, learn

    made = learn.project()
    build.member(made, "ann")
    return made


@pytest.fixture
def lead(project: Project) -> Membership:
    from tests.pages import world

    return world.lead(project)


@pytest.fixture
def client(lead: Membership) -> Client:
    from tests.pages import world

    return world.signed_in(lead.user)
