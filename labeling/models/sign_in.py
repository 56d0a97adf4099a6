"""How often something that can be guessed was tried."""

from __future__ import annotations

from django.db import models
from django.db.models.functions import Now


class SignInAttempt(models.Model):
    """One row for each thing that has a limit: an account, an account from one address, a second factor.

    Rows are written by the single statement in `actions/limits.py`, which is what makes a limit hold
    against parallel guesses. `key` is a keyed hash: neither what was typed nor an address is stored.
    """

    key = models.CharField(max_length=64, primary_key=True)
    tries = models.PositiveIntegerField(default=0)
    since = models.DateTimeField(db_default=Now(), help_text="The first of these tries.")
    succeeded_at = models.DateTimeField(null=True)

    def __str__(self) -> str:
        return f"{self.tries} since {self.since}"
