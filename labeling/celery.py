"""The Celery app. A message is only a hint that a row is waiting: losing one, or getting it twice, is fine.

Hence early acknowledgement, no results and no reliance on a visibility timeout (settings.py).
"""

from __future__ import annotations

import os

from celery import Celery

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "labeling.settings")

app = Celery("labeling")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()
