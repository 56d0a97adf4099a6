"""A project, its lead's script, and a store of artifacts of the test's own."""

from __future__ import annotations

import pytest


@pytest.fixture
def store(transactional_db, settings, tmp_path):
    settings.ARTIFACTS = tmp_path / "artifacts"


@pytest.fixture
def project():
    from tests import learn

    return learn.project()


@pytest.fixture
def lead(project):
    from labeling.models import Role
    from tests import build
    from tests.api.callers import Script

    return Script(build.member(project, "lin", Role.LEAD).user)
