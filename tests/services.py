"""The tests' own PostgreSQL and Valkey, up before Django reads its settings.

Each run has servers of its own in a temporary folder, so two runs side by side never meet. The servers
end with the run, however it ends (labeling/supervisor/processes.py). Workers of pytest-xdist share the
servers of the run they belong to; each has a database, a number in Valkey and a state folder of its own.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path

import pytest

from labeling.supervisor import Stack


def pytest_configure(config: pytest.Config) -> None:
    worker = os.environ.get("PYTEST_XDIST_WORKER")
    if worker is None:
        _start(config)
    else:
        _stand_apart(worker)
    os.environ["DJANGO_SETTINGS_MODULE"] = "labeling.settings"
    # Playwright's synchronous calls run an event loop in the tests' thread, where Django refuses to work.
    os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "true"
    _set_up_django()


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_setupnodes() -> None:
    """By this name pytest-django would set Django up in a worker before it stands apart."""
    del os.environ["DJANGO_SETTINGS_MODULE"]


def _start(config: pytest.Config) -> None:
    for name in [name for name in os.environ if name.startswith("RANKLOOP_")]:
        del os.environ[name]  # a developer's own settings are no part of a test
    environment = {
        name: value for name, value in os.environ.items() if name not in ("DATABASE_URL", "REDIS_URL")
    }
    folder = Path(tempfile.mkdtemp(prefix="rankloop-tests-"))
    config.add_cleanup(lambda: shutil.rmtree(folder, ignore_errors=True))
    stack = Stack(folder / "state", durable=False, environment=environment, say=lambda line: None)
    stack.__enter__()
    config.add_cleanup(stack.stop)
    for name in ("DATABASE_URL", "REDIS_URL", "RANKLOOP_STATE"):
        os.environ[name] = stack.environment[name]


def _stand_apart(worker: str) -> None:
    """`worker` is gw0, gw1, …; the variables are those of the run, which `_start` has set."""
    os.environ["REDIS_URL"] += f"?db={1 + int(worker.removeprefix('gw'))}"
    os.environ["RANKLOOP_STATE"] += f"/{worker}"
    # As many workers as cores: more threads than one would wait for each other.
    os.environ.setdefault("OMP_NUM_THREADS", "1")


def _set_up_django() -> None:
    import django
    from django.conf import settings

    # Plain names for static files: the live server finds them in the source, nothing is collected.
    settings.STORAGES["staticfiles"] = {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"}
    # Tests sign hundreds of people in; what they test is not how slow a password is to guess.
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
    settings.STATIC_ROOT.mkdir(parents=True, exist_ok=True)
    django.setup()
