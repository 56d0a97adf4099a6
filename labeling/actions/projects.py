"""Projects, their rubric, their loop policy and who takes part."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from django.db import transaction
from django.utils.translation import gettext as _

from labeling.actions import audit, finding, leases, onboarding, policies
from labeling.actions import guidelines as guides
from labeling.actions.errors import BadInput, NotNow
from labeling.actions.import_rows import LANGUAGE
from labeling.actions.people import check_model
from labeling.actions.rubric_flags import DEFAULT_FLAGS
from labeling.actions.text import check_json, check_text
from labeling.models import LoopPolicy, Membership, Project, QualityPolicy, RankingMethod, Role, Rubric, User

MAX_SETTINGS_BYTES = 64 * 1024
POLICY_FIELDS = {field.name for field in LoopPolicy._meta.get_fields()} - {"id", "project"}


@transaction.atomic
def create_project(
    slug: str,
    name: str,
    *,
    description: str = "",
    guidelines: str = "",
    policy: Mapping[str, Any] | None = None,
    actor: User | None = None,
) -> Project:
    """A project with InstructGPT's flags as its first rubric, and a loop policy (`policy`: its fields).

    `guidelines`, if there are any, are their version 1.

    Raises BadInput if the slug is taken or a value cannot be used.
    """
    check_text(name, "name")
    check_text(description, "description", required=False)
    check_text(guidelines, "guidelines", max_bytes=guides.MAX_BYTES, required=False)
    project = Project(slug=slug, name=name, description=description)
    check_model(project)
    project.save()
    Rubric.objects.create(project=project, version=1, flags=DEFAULT_FLAGS)
    if guidelines:
        guides.write(project, guidelines, base=0, actor=actor)
    QualityPolicy.objects.create(project=project)
    values = dict(policy or {})
    if unknown := values.keys() - POLICY_FIELDS:
        raise BadInput(_("A loop policy has no such field."), field=f"policy.{min(unknown)}")
    loop_policy = LoopPolicy(project=project, **values)
    check_policy(loop_policy)
    loop_policy.save()
    audit.record("project.created", project=project, actor=actor, subject=project.public_id)
    return project


def check_policy(policy: LoopPolicy) -> None:
    """Raises BadInput, naming the field, if the policy's stages could not be run with these values."""
    check_model(policy)
    for field in ("stage_settings", "resources"):
        check_json(getattr(policy, field), field, max_bytes=MAX_SETTINGS_BYTES)
    policies.check(policy)


def check_languages(languages: Sequence[str]) -> None:
    """Raises BadInput if one is no language tag."""
    for language in languages:
        if len(language) > 16 or not LANGUAGE.fullmatch(language):
            raise BadInput(_("A language tag such as en or zh is wanted."), field="languages")


def check_role(role: str) -> None:
    """Raises BadInput if there is no such role."""
    if role not in Role.values:
        raise BadInput(
            _("%(role)s is no role; there are %(roles)s.")
            % {"role": ascii(role), "roles": ", ".join(Role.values)},
            field="role",
        )


@transaction.atomic
def add_member(
    project: Project,
    user: User,
    role: str,
    *,
    languages: Sequence[str] = (),
    actor: User | None = None,
) -> Membership:
    """Take a person into a project, or give a member this role and these languages (none: all).

    A new labeler begins with the tutorial where the project asks for it (onboarding.py).

    Raises BadInput for an unknown role or a language that is no language tag.
    """
    check_role(role)
    check_languages(languages)
    membership, made = Membership.objects.update_or_create(
        project=project,
        user=user,
        defaults={"role": role, "languages": list(languages), "is_active": True},
        create_defaults={
            "role": role,
            "languages": list(languages),
            "onboarding": onboarding.first_stage(project, user, role),
        },
    )
    if not made:
        take_effect(membership)
    audit.record(
        "member.added" if made else "member.changed",
        project=project,
        actor=actor,
        subject=user.public_id,
        role=role,
        languages=list(languages),
    )
    return membership


def take_effect(membership: Membership) -> None:
    """What follows from a changed membership: who is out gives back what they hold, who is in looks anew."""
    if membership.is_active:
        finding.begin_anew(membership)
    else:
        leases.release_all(membership)


@transaction.atomic
def change_member(
    membership: Membership, role: str, *, languages: Sequence[str] = (), by: Membership
) -> None:
    """Give a member another role, or other languages (none: all), by a member of the same project.

    Raises BadInput for an unknown role, one above one's own, or a language that is no language tag; NotNow
    where one would lower oneself or the project would lose its last lead.
    """
    check_role(role)
    check_languages(languages)
    if not by.may(Role(role)):
        raise BadInput(_("You cannot give a role above your own."), field="role")
    if role != Role.LEAD:
        _check_a_lead_stays(membership, by)
    membership.role, membership.languages = role, list(languages)
    membership.save(update_fields=["role", "languages"])
    take_effect(membership)
    audit.record(
        "member.changed",
        project=membership.project,
        actor=by.user,
        subject=membership.user.public_id,
        role=role,
        languages=list(languages),
    )


@transaction.atomic
def set_active(membership: Membership, active: bool, *, by: Membership) -> None:
    """End a person's part in the project, or let them in again, by a member. What they have given stays.

    Raises NotNow for one's own membership, and where the project would lose its last lead.
    """
    if not active:
        _check_a_lead_stays(membership, by)
    if Membership.objects.filter(pk=membership.pk, is_active=not active).update(is_active=active):
        membership.is_active = active
        take_effect(membership)
        audit.record(
            "member.reactivated" if active else "member.deactivated",
            project=membership.project,
            actor=by.user,
            subject=membership.user.public_id,
        )


@transaction.atomic
def set_ranking_method(project: Project, method: str, *, actor: User | None = None) -> None:
    """How labelers of the project come to an order, from the next item on. Raises BadInput."""
    if method not in RankingMethod.values:
        raise BadInput(
            _("Choose one of: %(methods)s.") % {"methods": ", ".join(RankingMethod.values)}, field="method"
        )
    before = Project.objects.select_for_update(no_key=True).get(pk=project.pk).ranking_method
    project.ranking_method = method
    if before == method:
        return
    project.save(update_fields=["ranking_method"])
    audit.record(
        "project.ranking_method",
        project=project,
        actor=actor,
        subject=project.public_id,
        before=before,
        after=method,
    )


def _check_a_lead_stays(membership: Membership, by: Membership) -> None:
    """Raises NotNow. Of two leads who put each other out at the same moment, the lock lets one through."""
    if membership.pk == by.pk:
        raise NotNow(_("You cannot end or lower your own membership. Ask another lead or an operator."))
    leads = Membership.objects.select_for_update(no_key=True).filter(
        project=membership.project_id, role=Role.LEAD, is_active=True
    )
    if [lead.pk for lead in leads.order_by("pk")] == [membership.pk]:
        raise NotNow(_("A project must keep a lead."))


def by_slug(slug: str) -> Project:
    """Raises BadInput that names the projects there are, if this is none."""
    project = Project.objects.filter(slug=check_text(slug, "project")).first()
    if project is None:
        known = ", ".join(Project.objects.order_by("slug").values_list("slug", flat=True)[:20])
        raise BadInput(
            _("There is no project %(slug)s. There are: %(known)s.")
            % {"slug": ascii(slug), "known": known or "–"},
            field="project",
        )
    return project
