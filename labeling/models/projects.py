"""A project, its people, and the policy by which its loop runs."""

from __future__ import annotations

from typing import Any

from django.contrib.postgres.fields import ArrayField
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from labeling.models.ids import public_id
from labeling.models.prompts import Sensitive


class RankingMethod(models.TextChoices):
    """How labelers of a project come to an order; an assignment keeps the one it was shown with."""

    RATE = "rate", _("Rate, then order what is equal")
    DIRECT = "direct", _("Order directly, by keys or dragging")
    EXTREMES = "extremes", _("Best and worst first (from seven answers on)")
    TWO_UP = "two_up", _("Two at a time")


class Project(models.Model):
    """One task that people label and models learn: its prompts, queue, models and rounds."""

    public_id = models.CharField(max_length=16, unique=True, default=public_id, editable=False)
    slug = models.SlugField(max_length=64, unique=True)
    name = models.CharField(max_length=120)
    description = models.TextField(blank=True, default="")
    ranking_method = models.CharField(
        _("how answers are put in order"), max_length=8, choices=RankingMethod, default=RankingMethod.RATE
    )
    policy_model = models.ForeignKey(
        "ModelVersion",
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="+",
        help_text=_("The promoted policy: the one that writes completions now."),
    )
    created_at = models.DateTimeField(db_default=Now(), editable=False)

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=models.Q(ranking_method__in=RankingMethod.values), name="project_ranking_method"
            ),
        ]

    def __str__(self) -> str:
        return self.name


class Role(models.TextChoices):
    """Each role may do what the one before it may."""

    LABELER = "labeler", _("labeler")
    REVIEWER = "reviewer", _("reviewer")
    LEAD = "lead", _("lead")


class Onboarding(models.TextChoices):
    """How far a member is before the queue opens to them."""

    TUTORIAL = "tutorial", _("in the tutorial")
    TEST = "test", _("in the qualification test")
    REVIEW = "review", _("waiting for a reviewer")
    PASSED = "passed", _("qualified")
    FAILED = "failed", _("not qualified")
    WAIVED = "waived", _("let in without a test")


class Membership(models.Model):
    """A person in a project.

    waived                                              a project without onboarding, or a lead let them in
    tutorial ──done──► test ──done──► passed, failed    by the project's thresholds (actions/onboarding.py)
                        └─demonstrations to rate─► review ──rated──► passed, failed
    failed ──a lead──► test, waived
    """

    project = models.ForeignKey(Project, on_delete=models.PROTECT, related_name="memberships")
    user = models.ForeignKey("User", on_delete=models.PROTECT, related_name="memberships")
    role = models.CharField(max_length=10, choices=Role, default=Role.LABELER)
    languages = ArrayField(
        models.CharField(max_length=16),
        default=list,
        blank=True,
        help_text=_("Languages this person reads; empty means all."),
    )
    onboarding = models.CharField(max_length=8, choices=Onboarding, default=Onboarding.WAIVED)
    opt_outs = ArrayField(
        models.CharField(max_length=16, choices=Sensitive),
        default=list,
        blank=True,
        help_text=_("Sensitive content that this person does not want to see."),
    )
    weekly_summary = models.BooleanField(
        _("send me a summary of my week by e-mail"), default=False, help_text=_("On Mondays, of work done.")
    )
    summarised_until = models.DateField(
        null=True, blank=True, editable=False, help_text="The week that was last summarised ended here."
    )
    is_active = models.BooleanField(default=True)
    created_at = models.DateTimeField(db_default=Now(), editable=False)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["project", "user"], name="membership_once"),
            models.CheckConstraint(condition=models.Q(role__in=Role.values), name="membership_role"),
            models.CheckConstraint(
                condition=models.Q(onboarding__in=Onboarding.values), name="membership_onboarding"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.user} · {self.project} · {self.role}"

    def may(self, role: Role) -> bool:
        """Whether this membership includes what `role` may do."""
        order = Role.values
        return self.is_active and order.index(self.role) >= order.index(role)

    @property
    def sent_back(self) -> int:
        """How many answers of theirs a reviewer has sent back and they have not answered yet."""
        return self.project.returns.filter(labeler_id=self.user_id, state="open").count()


class Trainer(models.TextChoices):
    """How a round trains its policy; the values are stages of training."""

    PPO = "ppo", _("PPO: on fresh samples, against the reward model")
    DPO = "dpo", _("DPO: straight from the rankings")


class LoopPolicy(models.Model):
    """What starts a round of a project, and how its stages run."""

    project = models.OneToOneField(Project, on_delete=models.CASCADE, related_name="loop_policy")
    enabled = models.BooleanField(_("rounds start by themselves"), default=False)
    rankings_per_round = models.PositiveIntegerField(
        _("new rankings that start a round"),
        null=True,
        blank=True,
        validators=[MinValueValidator(1)],
    )
    daily_at = models.TimeField(_("time of day that starts a round (UTC)"), null=True, blank=True)
    bootstrap = models.BooleanField(
        _("train and sample a first SFT model by itself"),
        default=False,
        help_text=_("As soon as there are demonstrations and no policy yet."),
    )
    base_model = models.CharField(max_length=64, default="tiny", help_text=_("A name from RANKLOOP_MODELS."))
    stage_settings: models.JSONField[dict[str, Any], dict[str, Any]] = models.JSONField(
        default=dict, blank=True, help_text=_('Overrides by stage: {"sft": {"learning_rate": 0.0015}}.')
    )
    trainer = models.CharField(
        _("how the policy is trained"),
        max_length=3,
        choices=Trainer,
        default=Trainer.PPO,
        help_text=_("Either way the reward model is trained first and has to pass its gate."),
    )
    evaluate = models.BooleanField(
        _("measure each new policy against its SFT model"),
        default=True,
        help_text=_("On held-out prompts, after its completions are in the queue."),
    )
    evaluation_reward = models.BooleanField(
        _("train a second reward model for that"),
        default=False,
        help_text=_(
            "On the validation split, and by the labelers that reward.held_out_labelers or "
            "reward.held_out_labeler_share hold out. Only a model that nobody trained against can tell "
            "whether a policy got better or learned to please its reward model."
        ),
    )
    resources: models.JSONField[dict[str, Any], dict[str, Any]] = models.JSONField(
        default=dict,
        blank=True,
        help_text=_('Names from RANKLOOP_RESOURCES by stage: {"sft": "two-gpus"}; others run anywhere.'),
    )
    completions_per_item = models.PositiveSmallIntegerField(
        default=4, validators=[MinValueValidator(2), MaxValueValidator(9)]
    )
    items_per_round = models.PositiveIntegerField(default=1000)
    overlap = models.PositiveSmallIntegerField(default=1, validators=[MinValueValidator(1)])
    valid_share = models.FloatField(
        _("share of items from the validation split"),
        default=0.10,
        validators=[MinValueValidator(0.0), MaxValueValidator(1.0)],
    )
    valid_overlap = models.PositiveSmallIntegerField(default=2, validators=[MinValueValidator(1)])
    include_simulated = models.BooleanField(default=False)
    reward_gate = models.BooleanField(default=True)
    reward_gate_floor = models.FloatField(default=0.55)
    reward_gate_margin = models.FloatField(default=0.10)

    class Meta:
        verbose_name_plural = "loop policies"
        constraints = [
            models.CheckConstraint(condition=models.Q(trainer__in=Trainer.values), name="policy_trainer"),
        ]

    def __str__(self) -> str:
        return f"loop policy of {self.project}"
