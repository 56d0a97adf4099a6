"""The Celery app. A message is only a hint that a row is waiting: losing one, or getting it twice, is fine.

Hence early acknowledgement, no results and no reliance on a visibility timeout (settings.py).
"""

from __future__ import annotations

import os
import select
from typing import Any

from celery import Celery
from celery.signals import worker_init, worker_shutting_down

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "labeling.settings")

app = Celery("labeling")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()

# Asked to stop, a worker waits for its tasks, but tells them nothing: they run in processes of their own.
# One byte in a pipe that all of them inherit, and that nobody reads, tells them.
_pipe: tuple[int, int] | None = None


@worker_init.connect
def _open_pipe(**_: Any) -> None:
    global _pipe
    _pipe = os.pipe()


@worker_shutting_down.connect
def _tell_tasks(**_: Any) -> None:
    if _pipe is not None:
        os.write(_pipe[1], b"!")


def stopping() -> bool:
    """Whether the worker that runs this task has been asked to stop. A long task asks every second or so."""
    return _pipe is not None and bool(select.select([_pipe[0]], [], [], 0)[0])
