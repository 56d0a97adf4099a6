"""A project with its lead, signed in."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client

from labeling.models import Membership, Project
from tests import build, learn
from tests.pages import world


@pytest.fixture(autouse=True)
def store(settings: Any, tmp_path: Any) -> None:
    settings.ARTIFACTS = tmp_path / "artifacts"


@pytest.fixture
def project(transactional_db: None) -> Project:
    made = learn.project()
    build.member(made, "ann")
    return made


@pytest.fixture
def lead(project: Project) -> Membership:
    return world.lead(project)


@pytest.fixture
def client(lead: Membership) -> Client:
    return world.signed_in(lead.user)
