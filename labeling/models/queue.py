"""The queue: one for every kind of work. Only the answer tables differ by kind."""

from __future__ import annotations

import random
import uuid
from typing import Any

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from labeling.models.ids import public_id
from labeling.models.prompts import Prompt

BANDS = 3
"""Priority bands: 0 first, 1 as usual, 2 last (items that several people skipped)."""

MAX_K = 9


def random_key() -> int:
    """The place of an item within its band. Random, so that labelers do not work through one source."""
    return random.getrandbits(62)


def first_keys() -> list[int]:
    return [-1] * BANDS


def first_openings() -> list[int]:
    return [0] * BANDS


class Kind(models.TextChoices):
    DEMONSTRATE = "demonstrate", _("demonstrate")
    RANK = "rank", _("rank")
    PROMPT = "prompt", _("write a prompt")
    REVIEW = "review", _("review")


class Origin(models.TextChoices):
    """Why an item exists. Only generated items go stale when a newer policy is promoted."""

    IMPORTED = "imported"
    GENERATED = "generated"


class Purpose(models.TextChoices):
    """What an item's answers are for. Only those to *work* enter datasets and counts.

    The others have no ordinary slots: each of theirs is born reserved for one labeler, and looks to them
    like any other.
    """

    WORK = "work"
    TUTORIAL = "tutorial"
    TEST = "test"
    GOLD = "gold"


class ReviewReason(models.TextChoices):
    """Why a reviewer is asked."""

    DISAGREEMENT = "disagreement", _("Labelers order them differently")
    ALL_BAD = "all_bad", _("All bad for some, in order for others")
    FLAGS = "flags", _("Flags contradict each other")
    SKIPPED = "skipped", _("Several people skipped it")
    REPORTED = "reported", _("Somebody reported the prompt")
    DEMONSTRATION = "demonstration", _("A demonstration to look at")
    PROMPT = "prompt", _("A prompt that a labeler wrote")


class Item(models.Model):
    """A piece of work that wants `overlap` answers from as many different people.

    open ──► retired      a newer policy was promoted, or a lead withdrew it (actions/items.retire)

    To write a prompt there is none yet, and `brief` says what kind is wanted:
    {"kind": "plain" | "few_shot" | "user_based", "use_case", "language", "note"}, and {"demonstrate": "yes"}
    where what is written is to be answered next. A review is of one thing: the rankings of an item
    (`subject`), a demonstration, or a written prompt; `reason` says why.

    `arm` and `probability` record which selection arm chose it, and with what probability: without them
    no later comparison of selection methods is unbiased.
    """

    class State(models.TextChoices):
        OPEN = "open"
        RETIRED = "retired"

    public_id = models.CharField(max_length=16, unique=True, default=public_id, editable=False)
    project = models.ForeignKey("Project", on_delete=models.PROTECT, related_name="items")
    kind = models.CharField(max_length=12, choices=Kind)
    purpose = models.CharField(max_length=8, choices=Purpose, default=Purpose.WORK)
    prompt = models.ForeignKey("Prompt", on_delete=models.PROTECT, null=True, related_name="items")
    brief: models.JSONField[dict[str, str], dict[str, str]] = models.JSONField(default=dict, blank=True)
    subject = models.ForeignKey(
        "self", on_delete=models.PROTECT, null=True, blank=True, related_name="reviewed_by"
    )
    demonstration = models.ForeignKey(
        "Demonstration", on_delete=models.PROTECT, null=True, blank=True, related_name="reviewed_by"
    )
    written_prompt = models.ForeignKey(
        "WrittenPrompt", on_delete=models.PROTECT, null=True, blank=True, related_name="reviewed_by"
    )
    reason = models.CharField(max_length=13, choices=ReviewReason, blank=True, default="")
    k = models.PositiveSmallIntegerField(help_text="Completions: 2 to 9 to rank, else 0.")
    overlap = models.PositiveSmallIntegerField(default=1)
    state = models.CharField(max_length=8, choices=State, default=State.OPEN)
    origin = models.CharField(max_length=10, choices=Origin)
    model = models.ForeignKey(
        "ModelVersion", on_delete=models.PROTECT, null=True, blank=True, related_name="items"
    )
    round = models.ForeignKey("Round", on_delete=models.PROTECT, null=True, blank=True, related_name="items")
    arm = models.CharField(max_length=32, default="uniform")
    probability = models.FloatField(default=1.0)
    skips = models.PositiveSmallIntegerField(default=0)
    needs_review = models.BooleanField(default=False)
    created_at = models.DateTimeField(db_default=Now(), editable=False)

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=models.Q(kind=Kind.RANK, k__gte=2, k__lte=MAX_K)
                | (~models.Q(kind=Kind.RANK) & models.Q(k=0)),
                name="item_k",
            ),
            models.CheckConstraint(
                condition=models.Q(kind=Kind.PROMPT, prompt__isnull=True)
                | models.Q(kind=Kind.REVIEW)
                | models.Q(kind__in=[Kind.RANK, Kind.DEMONSTRATE], prompt__isnull=False),
                name="item_prompt",
            ),
            models.CheckConstraint(
                condition=(
                    models.Q(kind=Kind.REVIEW, reason__in=ReviewReason.values)
                    & (
                        models.Q(subject__isnull=False, demonstration=None, written_prompt=None)
                        | models.Q(subject=None, demonstration__isnull=False, written_prompt=None)
                        | models.Q(subject=None, demonstration=None, written_prompt__isnull=False)
                    )
                )
                | (
                    ~models.Q(kind=Kind.REVIEW)
                    & models.Q(subject=None, demonstration=None, written_prompt=None, reason="")
                ),
                name="item_review",
            ),
            models.CheckConstraint(condition=models.Q(purpose__in=Purpose.values), name="item_purpose"),
            models.CheckConstraint(condition=models.Q(overlap__gte=1), name="item_overlap"),
            models.CheckConstraint(
                condition=models.Q(probability__gt=0, probability__lte=1), name="item_probability"
            ),
            models.UniqueConstraint(
                fields=["subject", "reason"],
                condition=models.Q(state="open"),
                name="item_reviewed_once",
            ),
            # Targets of composite foreign keys.
            models.UniqueConstraint(fields=["id", "prompt"], name="item_of_prompt"),
            models.UniqueConstraint(fields=["id", "k"], name="item_with_k"),
        ]
        indexes = [
            models.Index(fields=["project", "kind", "state"], name="item_project_kind_state"),
            models.Index(
                fields=["needs_review"], condition=models.Q(needs_review=True), name="item_needs_review"
            ),
            models.Index(
                fields=["project", "purpose"], condition=~models.Q(purpose="work"), name="item_check"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.public_id}"

    @property
    def asked(self) -> Prompt:
        """The prompt of an item that has one."""
        assert self.prompt is not None
        return self.prompt


class ItemCompletion(models.Model):
    """The completion at one fixed position of an item. Answers are arrays over these positions.

    `prompt` repeats the item's so that the database can refuse a completion of another prompt.
    """

    item = models.ForeignKey(Item, on_delete=models.CASCADE, related_name="item_completions", db_index=False)
    prompt = models.ForeignKey("Prompt", on_delete=models.PROTECT, related_name="+", db_index=False)
    completion = models.ForeignKey("Completion", on_delete=models.PROTECT, related_name="item_completions")
    position = models.PositiveSmallIntegerField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["item", "position"], name="item_position_once"),
            models.UniqueConstraint(fields=["item", "completion"], name="item_completion_once"),
            models.CheckConstraint(condition=models.Q(position__lt=MAX_K), name="item_position"),
        ]

    def __str__(self) -> str:
        return f"{self.item_id}[{self.position}]"


class Slot(models.Model):
    """Room for one answer to an item. An item that wants N answers has N slots from birth.

    open ──claim──► held ──submit──► filled
      ▲              │
      └─skip, expiry─┘               open ──retire, lower overlap──► closed
    closed ──late answer, while the item has fewer live slots than its overlap──► filled

    Project, kind, band, key, language and sensitive repeat the item's: the claim reads one index and nothing
    else.
    `opening` numbers all openings of all slots, as they happen (a law of the database, 0006): a slot that
    opens again, or moves to another band, gets a new one, and is met again by those who have passed it.
    """

    class State(models.TextChoices):
        OPEN = "open"
        HELD = "held"
        FILLED = "filled"
        CLOSED = "closed"

    item = models.ForeignKey(Item, on_delete=models.PROTECT, related_name="slots", db_index=False)
    number = models.PositiveSmallIntegerField()
    state = models.CharField(max_length=6, choices=State, default=State.OPEN)
    project = models.ForeignKey("Project", on_delete=models.PROTECT, related_name="+", db_index=False)
    kind = models.CharField(max_length=12, choices=Kind)
    band = models.PositiveSmallIntegerField(default=1)
    key = models.BigIntegerField(default=random_key)
    opening = models.BigIntegerField(
        db_default=models.Func(models.Value("labeling_slot_opening"), function="nextval"), editable=False
    )
    language = models.CharField(max_length=16, blank=True, default="")
    sensitive = ArrayField(models.CharField(max_length=16), default=list)
    has_authors = models.BooleanField(default=False, help_text="A person wrote one of the completions.")
    reserved_for = models.ForeignKey(
        "User",
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="+",
        help_text="Golds and hidden repeats are born for one labeler.",
    )

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["item", "number"], name="slot_number_once"),
            models.UniqueConstraint(fields=["id", "item"], name="slot_of_item"),
            models.CheckConstraint(condition=models.Q(band__lt=BANDS), name="slot_band"),
        ]
        indexes = [
            models.Index(
                fields=["project", "kind", "band", "key"],
                condition=models.Q(state="open"),
                name="slot_claim",
            ),
            models.Index(
                fields=["project", "kind", "band", "opening"],
                condition=models.Q(state="open"),
                name="slot_opening",
            ),
        ]

    def __str__(self) -> str:
        return f"slot {self.number} of {self.item_id}"


class Assignment(models.Model):
    """A labeler's lease on a slot, and what was shown under it.

    reserved ──shown──► open ──submit──► answered
       │                 ├────skip─────► skipped
       │                 └──lease ends─► expired ──late submit──► answered
       └─leaving, taken by another, lease ends──► released
    expired, released ──the same labeler claims the item again──► reserved, open (same row)

    A lease ends by the database's clock. A labeler holds at most one open and one reserved assignment of
    a project and kind, so that a half-written demonstration survives an hour of ranking.
    `shown_order[i]` is the item's position that was shown as letter i (A, B, C …); of a review, the answer,
    in the order of their keys, that was shown as labeler i + 1.
    """

    class State(models.TextChoices):
        RESERVED = "reserved"
        OPEN = "open"
        ANSWERED = "answered"
        SKIPPED = "skipped"
        EXPIRED = "expired"
        RELEASED = "released"

    LIVE = (State.RESERVED, State.OPEN)

    token = models.UUIDField(unique=True, default=uuid.uuid4, editable=False)
    slot = models.ForeignKey(Slot, on_delete=models.PROTECT, related_name="assignments")
    item = models.ForeignKey(Item, on_delete=models.PROTECT, related_name="assignments", db_index=False)
    project = models.ForeignKey("Project", on_delete=models.PROTECT, related_name="+", db_index=False)
    kind = models.CharField(max_length=12, choices=Kind)
    labeler = models.ForeignKey("User", on_delete=models.PROTECT, related_name="assignments", db_index=False)
    state = models.CharField(max_length=8, choices=State)
    is_repeat = models.BooleanField(default=False)
    method = models.CharField(
        max_length=8, blank=True, default="", help_text="The RankingMethod it is shown with; else empty."
    )
    shown_order = ArrayField(models.PositiveSmallIntegerField(), default=list)
    rubric = models.ForeignKey("Rubric", on_delete=models.PROTECT, related_name="+", db_index=False)
    lease_until = models.DateTimeField()
    created_at = models.DateTimeField(db_default=Now(), editable=False)
    opened_at = models.DateTimeField(null=True, blank=True)
    closed_at = models.DateTimeField(null=True, blank=True)
    skip_reason = models.CharField(max_length=20, blank=True, default="")
    skip_comment = models.TextField(blank=True, default="")

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["item", "labeler"], condition=models.Q(is_repeat=False), name="assignment_item_once"
            ),
            models.UniqueConstraint(
                fields=["slot"],
                condition=models.Q(state__in=["reserved", "open"]),
                name="assignment_live_once",
            ),
            models.UniqueConstraint(
                fields=["labeler", "project", "kind", "state"],
                condition=models.Q(state__in=["reserved", "open"]),
                name="assignment_one_open_one_reserved",
            ),
            models.UniqueConstraint(fields=["id", "item", "labeler"], name="assignment_identity"),
        ]
        indexes = [
            models.Index(
                fields=["lease_until"],
                condition=models.Q(state__in=["reserved", "open"]),
                name="assignment_lease",
            ),
            # What a labeler was shown of late: repeats, and how much sensitive content today (checks.py).
            models.Index(fields=["labeler", "project", "opened_at"], name="assignment_shown"),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.item_id} by {self.labeler_id}: {self.state}"


class QueueCursor(models.Model):
    """Where a labeler's claims read on: for each band the last key and the last opening that they have met.

    The row also serialises their claims; a membership is born with one for each kind (a law of the database,
    0009). `begun_at`: when they last began at the first key; null is not yet.
    """

    membership = models.ForeignKey("Membership", on_delete=models.CASCADE, related_name="+")
    kind = models.CharField(max_length=12, choices=Kind)
    keys = ArrayField(models.BigIntegerField(), default=first_keys, size=BANDS)
    openings = ArrayField(models.BigIntegerField(), default=first_openings, size=BANDS)
    begun_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["membership", "kind"], name="cursor_once")]

    def __str__(self) -> str:
        return f"cursor of {self.membership_id}, {self.kind}"


class Draft(models.Model):
    """What a labeler has done so far. One row for an assignment; the higher sequence number wins."""

    assignment = models.OneToOneField(Assignment, on_delete=models.CASCADE, related_name="draft")
    sequence = models.PositiveBigIntegerField()
    body: models.JSONField[dict[str, Any], dict[str, Any]] = models.JSONField()
    updated_at = models.DateTimeField(db_default=Now())

    def __str__(self) -> str:
        return f"draft of {self.assignment_id}"
