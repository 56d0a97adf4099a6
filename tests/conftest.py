"""What all tests share. Fixtures import the models inside: this file is read before Django is set up."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any

import pytest

pytest_plugins = ["tests.services", "tests.openid", "tests.receivers"]

MAC_BROWSERS = (
    "/Applications/Chromium.app/Contents/MacOS/Chromium",
    "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
)


@pytest.fixture(scope="session")
def browser_path() -> str:
    """The system's Chromium. Without one, tests that need it are skipped, but in CI they fail."""
    named = os.environ.get("CHROMIUM_PATH", "")
    found = (shutil.which(name) for name in (named, "chromium", "chromium-browser", "google-chrome"))
    path = next((path for path in found if path), None) or next(
        (path for path in MAC_BROWSERS if Path(path).exists()), None
    )
    if path:
        return path
    reason = "no browser: install the package chromium (or set CHROMIUM_PATH)"
    if os.environ.get("CI") == "true":
        pytest.fail(reason)
    pytest.skip(reason)


@pytest.fixture(scope="session")
def browser_type_launch_args(browser_type_launch_args: dict[str, Any], browser_path: str) -> dict[str, Any]:
    """pytest-playwright's launch options: the system's browser, and no sandbox where root cannot have one."""
    arguments = ["--no-sandbox"] if os.geteuid() == 0 else []
    return {**browser_type_launch_args, "executable_path": browser_path, "args": arguments}
