"""What answers are checked against: golds, and a project's thresholds."""

from __future__ import annotations

from typing import Any

from django.contrib.postgres.fields import ArrayField
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _


class Gold(models.Model):
    """What is right at an item to rank whose purpose is not work.

    `ranks`: as a ranking revision's; a pair that is equal here is not compared. `flags` are the bit masks
    that are right, of the flags in `flags_checked`. `explanation` says why, by language, in Markdown; the
    tutorial shows it after the answer, the test and a hidden gold never do.
    """

    item = models.OneToOneField("Item", on_delete=models.PROTECT, related_name="gold")
    rubric = models.ForeignKey("Rubric", on_delete=models.PROTECT, related_name="+")
    ranks = ArrayField(models.PositiveSmallIntegerField())
    flags = ArrayField(models.BigIntegerField(), default=list)
    flags_checked = models.BigIntegerField(default=0)
    explanation: models.JSONField[dict[str, str], dict[str, str]] = models.JSONField(default=dict, blank=True)
    is_active = models.BooleanField(default=True)
    created_by = models.ForeignKey("User", on_delete=models.PROTECT, null=True, related_name="+")
    created_at = models.DateTimeField(db_default=Now(), editable=False)

    def __str__(self) -> str:
        return f"gold of {self.item_id}"


def _share(label: Any, default: float, help_text: Any = "") -> models.FloatField[float, float]:
    return models.FloatField(
        label,
        default=default,
        validators=[MinValueValidator(0.0), MaxValueValidator(1.0)],
        help_text=help_text,
    )


class QualityPolicy(models.Model):
    """What a project asks of its labelers, and how it looks after them.

    The thresholds are InstructGPT's (arXiv 2203.02155, B.1): agreement of 75 % on flags and on rankings, and
    demonstrations rated 6 of 7.
    """

    project = models.OneToOneField("Project", on_delete=models.CASCADE, related_name="quality_policy")
    onboarding = models.BooleanField(
        _("new labelers take the tutorial and the test"),
        default=False,
        help_text=_("Whoever is in already stays in."),
    )
    least_ranking_agreement = _share(_("least agreement on rankings"), 0.75)
    least_flag_agreement = _share(_("least agreement on flags"), 0.75)
    least_demonstration_rating = models.FloatField(
        _("least mean rating of demonstrations"),
        default=6.0,
        validators=[MinValueValidator(1.0), MaxValueValidator(9.0)],
    )
    gold_rate = _share(_("share of hidden golds"), 0.0, _("Of what a labeler is given to rank."))
    repeat_rate = _share(_("share of hidden repeats"), 0.0, _("Of what a labeler is given to rank."))
    sensitive_per_day = models.PositiveIntegerField(
        _("most sensitive items a day"),
        null=True,
        blank=True,
        help_text=_("Of each labeler; empty means no limit."),
    )
    break_after_minutes = models.PositiveIntegerField(
        _("minutes of work before a break is suggested"), null=True, blank=True, default=60
    )
    review_demonstrations = _share(
        _("share of demonstrations that a reviewer looks at"),
        0.0,
        _("They are used for training once accepted."),
    )

    class Meta:
        verbose_name_plural = "quality policies"

    def __str__(self) -> str:
        return f"quality policy of {self.project}"
