"""Tokens by which a person's own programs use the API."""

from __future__ import annotations

from django.db import models
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from labeling.models.ids import public_id


class ApiToken(models.Model):
    """What is kept of a token: its SHA-256, never the token, and how to recognise it.

    valid ──revoke──► revoked     by its owner, an operator, or as the account is taken back
      └──expires_at──► expired    by the database's clock
    """

    public_id = models.CharField(max_length=16, unique=True, default=public_id, editable=False)
    user = models.ForeignKey("User", on_delete=models.PROTECT, related_name="tokens")
    name = models.CharField(_("name"), max_length=100)
    digest = models.BinaryField(max_length=32, unique=True, editable=False)
    starts_with = models.CharField(max_length=12, editable=False)
    created_at = models.DateTimeField(db_default=Now(), editable=False)
    expires_at = models.DateTimeField(null=True, blank=True)
    last_used_at = models.DateTimeField(null=True, blank=True, help_text="To the hour.")
    revoked_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [
            models.CheckConstraint(condition=~models.Q(name=""), name="token_has_a_name"),
        ]

    def __str__(self) -> str:
        return f"{self.name} ({self.starts_with}…)"
