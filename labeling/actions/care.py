"""How a project looks after its labelers (its quality policy), and what a labeler asks for themselves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from django.db import transaction
from django.utils.translation import gettext as _

from labeling.actions import audit, finding, leases
from labeling.actions.errors import BadInput
from labeling.actions.people import check_model
from labeling.models import (
    Assignment,
    Item,
    Kind,
    Membership,
    Project,
    Purpose,
    QualityPolicy,
    Sensitive,
    User,
)

FIELDS = {field.name for field in QualityPolicy._meta.get_fields()} - {"id", "project"}
MOST_HIDDEN = 0.5


@transaction.atomic
def set_policy(project: Project, values: Mapping[str, Any], *, actor: User | None = None) -> QualityPolicy:
    """Change the project's quality policy.

    Raises BadInput that names the field; also where more than half of the items would be hidden checks, and
    where a test is to be taken that asks nothing.
    """
    if unknown := values.keys() - FIELDS:
        raise BadInput(_("There is no such field."), field=min(unknown))
    QualityPolicy.objects.get_or_create(project=project)
    policy = QualityPolicy.objects.select_for_update().get(project=project)
    before = {name: getattr(policy, name) for name in values}
    for name, value in values.items():
        setattr(policy, name, value)
    check_model(policy)
    if policy.gold_rate + policy.repeat_rate > MOST_HIDDEN:
        raise BadInput(_("Golds and repeats together are at most half of the items."), field="repeat_rate")
    if policy.onboarding and not before.get("onboarding", True) and not has_test(project):
        raise BadInput(_("Make at least one item for the test first."), field="onboarding")
    policy.save()
    changed = {name: value for name, value in values.items() if before[name] != value}
    if changed:
        audit.record("quality.changed", project=project, actor=actor, subject=project.public_id, **changed)
    return policy


def has_test(project: Project) -> bool:
    """Whether there is an item to rank in the project's test."""
    return Item.objects.filter(
        project=project, purpose=Purpose.TEST, kind=Kind.RANK, state=Item.State.OPEN
    ).exists()


@transaction.atomic
def set_wishes(membership: Membership, *, opt_outs: Sequence[str], weekly_summary: bool) -> None:
    """What a member wants not to see, and whether they want a summary by e-mail. Raises BadInput.

    What they hold of it is given back with its draft, at once, and counts for nothing; what they can do from
    now on is looked for anew.
    """
    if unknown := set(opt_outs) - set(Sensitive.values):
        raise BadInput(_("There is no category %(name)s.") % {"name": ascii(min(unknown))}, field="opt_outs")
    membership.opt_outs = [kind for kind in Sensitive.values if kind in opt_outs]
    membership.weekly_summary = weekly_summary
    membership.save(update_fields=["opt_outs", "weekly_summary"])
    held = Assignment.objects.filter(
        project=membership.project_id,
        labeler=membership.user_id,
        state__in=Assignment.LIVE,
        slot__sensitive__overlap=membership.opt_outs,
    )
    for assignment in held:
        leases.release(assignment)
    finding.begin_anew(membership)
