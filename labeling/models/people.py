"""People. Who may do what in a project is a membership, in projects.py."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from django.conf import settings
from django.contrib.auth.models import AbstractUser
from django.db import models
from django.db.models.functions import Lower
from django.utils.crypto import salted_hmac
from django.utils.translation import gettext_lazy as _

from labeling.models.ids import public_id


class User(AbstractUser):
    """Anyone who signs in: labeler, reviewer, lead or operator (`is_staff`)."""

    public_id = models.CharField(max_length=16, unique=True, default=public_id, editable=False)
    language = models.CharField(_("language of the pages"), max_length=16, blank=True, default="")
    time_zone = models.CharField(_("time zone"), max_length=64, blank=True, default="")
    is_simulated = models.BooleanField(
        _("simulated"),
        default=False,
        help_text=_("A program, not a person: its answers are marked everywhere."),
    )
    workspace: models.JSONField[dict[str, Any], dict[str, Any]] = models.JSONField(
        default=dict,
        blank=True,
        editable=False,
        help_text="How this person likes to read and which keys they use; actions/preferences.py checks it.",
    )
    must_change_password = models.BooleanField(_("has a one-time password"), default=False)
    sign_outs = models.PositiveIntegerField(
        default=0,
        editable=False,
        help_text=_("How often this person signed out everywhere; a session of an earlier count has ended."),
    )

    class Meta(AbstractUser.Meta):  # type: ignore[name-defined,misc]
        constraints = [
            # Names that differ by the case of letters alone would be one person to whoever reads them.
            models.UniqueConstraint(
                Lower("username"),
                name="user_name_once",
                violation_error_message=_("Somebody has this name already."),
            ),
        ]

    def __str__(self) -> str:
        return self.username

    @property
    def shown_name(self) -> str:
        return self.get_full_name() or self.username

    def get_session_auth_hash(self) -> str:
        """What a session must still match: a changed password, or signing out everywhere, ends it."""
        return self._session_hash(settings.SECRET_KEY)

    def get_session_auth_fallback_hash(self) -> Iterator[str]:
        for key in settings.SECRET_KEY_FALLBACKS:
            yield self._session_hash(key)

    def _session_hash(self, secret: str | bytes) -> str:
        value = f"{self.password}|{self.sign_outs}"
        return salted_hmac("labeling.session", value, secret=secret, algorithm="sha256").hexdigest()
