"""Invitations into a project, by link."""

from __future__ import annotations

from datetime import datetime

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from labeling.models.ids import public_id
from labeling.models.projects import Role


class Invitation(models.Model):
    """A link that one person may use once to join a project.

    The link's token is shown to the lead once; only its SHA-256 is stored.

        open ──► accepted   by whoever holds the link (`actions/invitations.py`)
          ├────► revoked    by a lead of the project
          └────► expired    by the clock: a state that nothing writes
    """

    class State(models.TextChoices):
        OPEN = "open", _("open")
        ACCEPTED = "accepted", _("used")
        REVOKED = "revoked", _("revoked")
        EXPIRED = "expired", _("expired")

    public_id = models.CharField(max_length=16, unique=True, default=public_id, editable=False)
    project = models.ForeignKey("Project", on_delete=models.PROTECT, related_name="invitations")
    role = models.CharField(max_length=10, choices=Role, default=Role.LABELER)
    languages = ArrayField(models.CharField(max_length=16), default=list, blank=True)
    note = models.CharField(max_length=120, blank=True, default="", help_text=_("For whom it is."))
    digest = models.BinaryField(unique=True, editable=False)
    created_by = models.ForeignKey("User", on_delete=models.PROTECT, related_name="+")
    created_at = models.DateTimeField(db_default=Now(), editable=False)
    expires_at = models.DateTimeField()
    accepted_by = models.ForeignKey("User", on_delete=models.PROTECT, null=True, related_name="+")
    accepted_at = models.DateTimeField(null=True)
    revoked_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.CheckConstraint(condition=models.Q(role__in=Role.values), name="invitation_role"),
            models.CheckConstraint(
                condition=models.Q(accepted_by__isnull=True, accepted_at__isnull=True)
                | models.Q(accepted_by__isnull=False, accepted_at__isnull=False, revoked_at__isnull=True),
                name="invitation_one_end",
            ),
        ]
        indexes = [models.Index(fields=["project", "-id"], name="invitation_project")]

    def __str__(self) -> str:
        return f"{self.project} · {self.role} · {self.public_id}"

    def state(self, now: datetime) -> State:
        """What may still happen to it at this moment."""
        if self.accepted_at is not None:
            return self.State.ACCEPTED
        if self.revoked_at is not None:
            return self.State.REVOKED
        return self.State.OPEN if self.expires_at > now else self.State.EXPIRED
