"""From a new member to a qualified one: the tutorial, the test, and what is decided by it.

Where a member stands is `membership.onboarding`; how far they are within a stage follows from their answers
to the project's checks. The thresholds are the lead's (QualityPolicy).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from django.db import transaction
from django.db.models import Q, QuerySet
from django.utils.translation import gettext as _

from labeling.actions import admission, audit, checks, disputes, leases, queue
from labeling.actions.errors import NotNow
from labeling.actions.quality import pairs
from labeling.models import (
    Assignment,
    Demonstration,
    Gold,
    Item,
    Kind,
    Membership,
    Onboarding,
    Project,
    Purpose,
    QualityPolicy,
    Ranking,
    RankingRevision,
    ReviewReason,
    ReviewRevision,
    Role,
    Slot,
    User,
)

STAGES = {Onboarding.TUTORIAL: Purpose.TUTORIAL, Onboarding.TEST: Purpose.TEST}


def first_stage(project: Project, user: User, role: str) -> str:
    """Where a new member begins: with the tutorial, if the project asks for it. Programs and leads do not."""
    asked = QualityPolicy.objects.filter(project=project, onboarding=True).exists()
    return (
        Onboarding.TUTORIAL if asked and role == Role.LABELER and not user.is_simulated else Onboarding.WAIVED
    )


# --- going through it ---------------------------------------------------------------------------------


def items_of(membership: Membership, purpose: str) -> QuerySet[Item]:
    """The checks of a stage that are this member's: what they read and did not opt out of, in their order."""
    mine = Item.objects.filter(project_id=membership.project_id, purpose=purpose, state=Item.State.OPEN)
    if membership.languages:
        mine = mine.filter(Q(prompt__language="") | Q(prompt__language__in=membership.languages))
    if membership.opt_outs:
        mine = mine.exclude(prompt__sensitive__overlap=membership.opt_outs)
    return mine.exclude(item_completions__completion__author=membership.user_id).order_by("pk")


def left(membership: Membership, purpose: str) -> list[Item]:
    """What a member has still to do of a stage. What they skipped is done."""
    user = membership.user_id
    done = {
        *Ranking.objects.filter(item__purpose=purpose, labeler=user, slot__isnull=False).values_list(
            "item", flat=True
        ),
        *Demonstration.objects.filter(item__purpose=purpose, labeler=user).values_list("item", flat=True),
        *Assignment.objects.filter(
            item__purpose=purpose, labeler=user, state=Assignment.State.SKIPPED
        ).values_list("item", flat=True),
    }
    return [item for item in items_of(membership, purpose) if item.pk not in done]


@transaction.atomic
def claim(membership: Membership) -> Assignment | None:
    """The member's next item of the stage that they are in; None where it has no more. Moves on first.

    It comes under a lease like any other, and an open one comes again. Raises NotNow where something besides
    onboarding is to be done before (admission.py).
    """
    admission.check_may_begin(membership)
    stage = move_on(membership)
    if stage not in STAGES:
        return None
    waiting = left(membership, STAGES[Onboarding(stage)])
    if not waiting:
        return None
    item = waiting[0]

    def choose() -> checks.Chosen:
        locked = Item.objects.select_for_update(no_key=True, of=("self",)).get(pk=item.pk)
        before = Assignment.objects.filter(item=locked, labeler=membership.user_id, is_repeat=False).first()
        is_again = before is not None and before.state == Assignment.State.ANSWERED
        return checks.reserve(locked.pk, membership.user_id, is_repeat=is_again)

    return queue.claim_check(membership, item.kind, choose)


@transaction.atomic
def move_on(membership: Membership) -> str:
    """As far as the member's answers carry them; returns the stage. May be asked at any time."""
    if membership.onboarding not in (*STAGES, Onboarding.REVIEW):
        return membership.onboarding
    locked = Membership.objects.select_for_update(no_key=True, of=("self",)).get(pk=membership.pk)
    if locked.onboarding == Onboarding.TUTORIAL and not left(locked, Purpose.TUTORIAL):
        _enter(locked, Onboarding.TEST)
    if locked.onboarding in (Onboarding.TEST, Onboarding.REVIEW):
        _decide(locked)
    membership.onboarding = locked.onboarding
    return membership.onboarding


def rated(membership: Membership) -> str:
    """A reviewer has rated what this member wrote in the test: decides, once all of it is. To be called after
    each rating; returns the stage."""
    return move_on(membership)


def _decide(locked: Membership) -> None:
    if not items_of(locked, Purpose.TEST).exists() or left(locked, Purpose.TEST):
        return
    found = result(locked)
    if found.to_rate:
        if locked.onboarding != Onboarding.REVIEW:
            _ask_to_rate(locked)
            _enter(locked, Onboarding.REVIEW)
        return
    _enter(locked, Onboarding.PASSED if found.passed else Onboarding.FAILED)


def _enter(locked: Membership, stage: str, *, actor: User | None = None) -> None:
    before, locked.onboarding = locked.onboarding, stage
    locked.save(update_fields=["onboarding"])
    audit.record(
        "member.onboarding",
        project=locked.project,
        actor=actor or locked.user,
        subject=locked.user.public_id,
        before=before,
        after=stage,
    )


def _ask_to_rate(membership: Membership) -> None:
    """An item of review for each text that nobody was asked about yet."""
    unasked = list(_written(membership).exclude(reviewed_by__kind=Kind.REVIEW).select_related("item__prompt"))
    Demonstration.objects.filter(pk__in=[text.pk for text in unasked]).update(wants_review=True)
    disputes.ask_about(ReviewReason.DEMONSTRATION, unasked, "demonstration")


# --- what came of it ----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Share:
    """So many of so many alike, and the share that is wanted; nothing was asked where `of` is 0."""

    same: int
    of: int
    least: float

    @property
    def share(self) -> float | None:
        return self.same / self.of if self.of else None

    @property
    def passed(self) -> bool:
        return self.of == 0 or self.same / self.of >= self.least


@dataclass(frozen=True)
class Result:
    """A member's test as it stands. `rating` is the mean that reviewers gave; `to_rate` texts have none."""

    rankings: Share
    flags: Share
    rating: float | None
    least_rating: float
    to_rate: int

    @property
    def rating_passed(self) -> bool:
        return self.rating is None or self.rating >= self.least_rating

    @property
    def passed(self) -> bool:
        return not self.to_rate and self.rankings.passed and self.flags.passed and self.rating_passed


def result(membership: Membership) -> Result:
    """By the answers of the present try. An item that was skipped counts as not agreed with."""
    policy = QualityPolicy.objects.get(project=membership.project_id)
    golds = {
        gold.item_id: gold
        for gold in Gold.objects.filter(item__in=_done_ranking(membership)).select_related("rubric")
    }
    given = {revision.item_id: revision for revision in _given(membership, golds)}
    same, of, flags_same, flags_of = 0, 0, 0, 0
    for item, gold in golds.items():
        revision = given.get(item)
        order = list(gold.ranks) if revision is None else revision.ranks
        found = pairs(order, gold.ranks)
        same, of = same + (found.same if revision else 0), of + found.strict
        alike, compared = flags_alike(revision, gold)
        flags_same, flags_of = flags_same + alike, flags_of + compared
    ratings = [_rating(text) for text in _written(membership)]
    known = [rating for rating in ratings if rating is not None]
    return Result(
        rankings=Share(same, of, policy.least_ranking_agreement),
        flags=Share(flags_same, flags_of, policy.least_flag_agreement),
        rating=sum(known) / len(known) if known else None,
        least_rating=policy.least_demonstration_rating,
        to_rate=len(ratings) - len(known),
    )


def flags_alike(revision: RankingRevision | None, gold: Gold) -> tuple[int, int]:
    """Of a gold's checked flags, over all completions, how many an answer has as they should be; and of how
    many. A flag goes by its name, since the rubric may have changed. No answer has none right."""
    names = gold.rubric.keys(gold.flags_checked)
    if revision is None:
        return 0, len(names) * len(gold.flags)
    same = 0
    for right, given in zip(gold.flags, revision.flags, strict=False):
        wanted, has = set(gold.rubric.keys(right)), set(revision.rubric.keys(given))
        same += sum((name in wanted) == (name in has) for name in names)
    return same, len(names) * len(gold.flags)


def last_tutorial_answer(membership: Membership) -> RankingRevision | None:
    """What the member answered last in the tutorial, to be shown beside what is right."""
    given = RankingRevision.objects.filter(
        ranking__project=membership.project_id,
        ranking__labeler=membership.user_id,
        item__purpose=Purpose.TUTORIAL,
    )
    return (
        given.select_related("item__gold__rubric", "item__prompt", "ranking__assignment", "rubric")
        .order_by("-ranking_id", "-number")
        .first()
    )


def _done_ranking(membership: Membership) -> list[int]:
    """The items to rank of the test that the member answered or skipped in this try."""
    mine = Q(rankings__labeler=membership.user_id, rankings__slot__isnull=False)
    skipped = Q(assignments__labeler=membership.user_id, assignments__state=Assignment.State.SKIPPED)
    found = Item.objects.filter(
        mine | skipped, project=membership.project_id, purpose=Purpose.TEST, kind=Kind.RANK
    )
    return list(found.distinct().values_list("pk", flat=True))


def _given(membership: Membership, items: Iterable[int]) -> QuerySet[RankingRevision]:
    return (
        RankingRevision.objects.filter(
            item__in=list(items), ranking__labeler=membership.user_id, ranking__slot__isnull=False
        )
        .select_related("rubric")
        .order_by("ranking_id", "-number")
        .distinct("ranking_id")
    )


def _written(membership: Membership) -> QuerySet[Demonstration]:
    return Demonstration.objects.filter(
        project=membership.project_id,
        labeler=membership.user_id,
        item__purpose=Purpose.TEST,
        slot__isnull=False,
    ).select_related("prompt")


def _rating(text: Demonstration) -> int | None:
    latest = (
        ReviewRevision.objects.filter(review__item__demonstration=text)
        .order_by("-review_id", "-number")
        .first()
    )
    return latest.rating if latest else None


# --- a lead's verbs -----------------------------------------------------------------------------------


@transaction.atomic
def waive(membership: Membership, *, by: Membership) -> None:
    """Let a member work without the rest of it. Raises NotNow where nothing keeps them from it."""
    locked = _lock(membership)
    if locked.onboarding in (Onboarding.PASSED, Onboarding.WAIVED):
        raise NotNow(_("This member is let in already."))
    held = Assignment.objects.filter(
        project=locked.project_id, labeler=locked.user_id, state__in=Assignment.LIVE
    )
    if held.exists():
        leases.release_all(locked)
    _enter(locked, Onboarding.WAIVED, actor=by.user)
    membership.onboarding = locked.onboarding


@transaction.atomic
def try_again(membership: Membership, *, by: Membership) -> None:
    """Give a member the test once more. Raises NotNow for who has not failed it.

    Earlier rankings are kept as extras and count no more. Texts cannot be written twice for one prompt: where
    the test asks for others by now these are wanted, else the earlier ratings stand.
    """
    locked = _lock(membership)
    if locked.onboarding != Onboarding.FAILED:
        raise NotNow(_("This member has not failed the test."))
    user, test = locked.user_id, Q(item__purpose=Purpose.TEST, item__project=locked.project_id)
    given = list(Ranking.objects.filter(test, labeler=user, slot__isnull=False))
    answers: list[Any] = [*given]
    if any(item.kind == Kind.DEMONSTRATE for item in left(locked, Purpose.TEST)):
        answers += list(_written(locked))
    for answer in answers:
        slot, answer.slot = answer.slot_id, None
        answer.save(update_fields=["slot"])
        Slot.objects.filter(pk=slot).update(state=Slot.State.CLOSED)
    skipped = Assignment.objects.filter(test, labeler=user, state=Assignment.State.SKIPPED)
    skipped.update(state=Assignment.State.RELEASED)
    _enter(locked, Onboarding.TEST, actor=by.user)
    membership.onboarding = locked.onboarding


def _lock(membership: Membership) -> Membership:
    return (
        Membership.objects.select_for_update(no_key=True, of=("self",))
        .select_related("project", "user")
        .get(pk=membership.pk)
    )
