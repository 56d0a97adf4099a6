"""Rankloop's Django app: one app, one migration history."""

from labeling.celery import app as celery_app

__all__ = ["celery_app"]
