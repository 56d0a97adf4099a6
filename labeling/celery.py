"""The Celery app. A message is only a hint that a row is waiting: losing one, or getting it twice, is fine.

Hence early acknowledgement, no results and no reliance on a visibility timeout (settings.py).
"""

from __future__ import annotations

import os
from typing import Any

from celery import Celery
from celery.signals import celeryd_after_setup
from django.conf import settings

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "labeling.settings")

app = Celery("labeling")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()


@celeryd_after_setup.connect
def _serve_queues(sender: str, instance: Any, **signal: Any) -> None:
    """A train worker listens to the queues of its host (RANKLOOP_QUEUES), whatever it was started with."""
    if sender.startswith("train@"):
        instance.app.amqp.queues.select(settings.TRAIN_QUEUES)
