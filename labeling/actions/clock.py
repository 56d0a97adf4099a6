"""The database's clock, for whatever several machines must agree on."""

from __future__ import annotations

import datetime
from typing import Any

from django.db import models
from django.db.models import ExpressionWrapper, Func


class Clock(Func):
    """The time now; unlike NOW() it goes on while a statement waits for a lock."""

    function = "clock_timestamp"
    output_field = models.DateTimeField()


def from_now(*, seconds: float) -> ExpressionWrapper[Any]:
    """So long from now, or ago where it is negative."""
    after = Clock() + datetime.timedelta(seconds=seconds)
    return ExpressionWrapper(after, output_field=models.DateTimeField())
