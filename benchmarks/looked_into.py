"""The web application as it is served, and at LOADED which process answers and what modules it has loaded."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Iterable
from typing import Any

from labeling.wsgi import application as served

LOADED = "/loaded/"


def application(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    if environ["PATH_INFO"] != LOADED:
        return served(environ, start_response)
    start_response("200 OK", [("Content-Type", "application/json")])
    return [json.dumps({"pid": os.getpid(), "modules": sorted(sys.modules)}).encode()]
