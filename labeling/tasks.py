"""What Celery calls: an id in, one verb out.

A message is only a hint. `tick`, sent by beat every few seconds, reads the rows and finds whatever a lost
message would have said; a message that comes twice finds nothing to do.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from celery import shared_task
from celery.signals import worker_shutting_down
from django.conf import settings
from django.utils.translation import gettext as _
from kombu.exceptions import OperationalError

from labeling import courier, launcher
from labeling.actions import (
    artifacts,
    audit,
    datasets,
    deliveries,
    disputes,
    leases,
    loop,
    resources,
    retention,
    runs,
    written_prompts,
)
from labeling.actions.errors import NotNow
from labeling.identity import weekly
from labeling.models import Project, Run, User

log = logging.getLogger(__name__)

stopping = threading.Event()
"""Set when this worker is told to go: a run in progress is given back (launcher.py)."""


@worker_shutting_down.connect
def _stop(**signal: Any) -> None:
    stopping.set()


@shared_task
def tick() -> None:
    """Sweep, move the rounds on, announce waiting runs. Each part goes on if another fails."""
    parts = (
        runs.sweep, leases.expire_leases, disputes.tick, loop.tick, written_prompts.adopt_due, audit.seal,
        artifacts.clear_staging, retention.tick,
    )  # fmt: skip
    for part in parts:
        _guarded(part)
    for run_id in runs.waiting_ids():
        hint(run_id)
    if deliveries.are_due():
        deliver.apply_async(expires=2 * settings.TICK_SECONDS)


@shared_task
def execute_run(*, run_id: int) -> None:
    """Execute a waiting run, then see at once what its end sets off.

    A hint from before the operator moved its resources to other hosts is let fall; another comes.
    """
    if resources.queue_of(run_id) not in settings.TRAIN_QUEUES:
        return
    if launcher.execute(run_id, stopping):
        tick.delay()


@shared_task
def deliver() -> None:
    """Tell receivers what is due, beside the tick, which waits for nobody; go on while they take it."""
    if courier.send_due():
        deliver.delay()


@shared_task
def summarise() -> None:
    """Send the weekly summaries that are due; every hour, since weeks end at different times."""
    weekly.send_due()


@shared_task
def freeze(*, project_id: int, kind: str, actor_id: int | None = None) -> None:
    """Freeze a dataset version."""
    project = Project.objects.get(pk=project_id)
    actor = User.objects.get(pk=actor_id) if actor_id is not None else None
    datasets.freeze(project, kind, actor=actor)


def ask_freeze(project: Project, kind: str, actor: User) -> None:
    """Ask the control worker for a new version: freezing a large project takes longer than a request may.

    Raises BadInput or NotNow where there is nothing to freeze, or no worker can be reached.
    """
    datasets.check_rows(project, kind)
    try:
        freeze.delay(project_id=project.pk, kind=kind, actor_id=actor.pk)
    except OperationalError as error:
        raise NotNow(_("The workers cannot be reached right now. Try again in a minute.")) from error


def hint_deliveries() -> None:
    """Somebody waits for a message to go out. Without a worker's ear the next tick finds it."""
    with suppress(OperationalError):
        deliver.delay()


def hint(run_id: int) -> None:
    """Tell the train workers of its queue that a run waits. A hint that nobody takes up is sent again."""
    execute_run.apply_async(
        kwargs={"run_id": run_id}, queue=resources.queue_of(run_id), expires=2 * runs.HINT_SECONDS
    )


def tell_workers(run: Run) -> None:
    """Somebody has asked for this run. Without a worker's ear the next tick announces it."""
    with suppress(OperationalError):
        hint(run.pk)


def _guarded(part: Callable[[], Any]) -> None:
    try:
        part()
    except Exception:
        log.exception("tick: %s failed", part.__qualname__)
