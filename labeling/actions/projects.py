"""Projects, their rubric, their loop policy and who takes part."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from django.db import transaction
from django.utils.translation import gettext as _

from labeling.actions import audit, finding, policies
from labeling.actions.errors import BadInput, NotNow
from labeling.actions.import_rows import LANGUAGE
from labeling.actions.people import check_model
from labeling.actions.rubric_flags import DEFAULT_FLAGS
from labeling.actions.text import check_json, check_text
from labeling.models import LoopPolicy, Membership, Project, Role, Rubric, User

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

    Raises BadInput if the slug is taken or a value cannot be used.
    """
    check_text(name, "name")
    check_text(description, "description", required=False)
    check_text(guidelines, "guidelines", required=False)
    project = Project(slug=slug, name=name, description=description, guidelines=guidelines)
    check_model(project)
    project.save()
    Rubric.objects.create(project=project, version=1, flags=DEFAULT_FLAGS)
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
    check_json(policy.stage_settings, "stage_settings", max_bytes=MAX_SETTINGS_BYTES)
    policies.check(policy)


def check_languages(languages: Sequence[str]) -> None:
    """Raises BadInput if one is no language tag."""
    for language in languages:
        if len(language) > 16 or not LANGUAGE.fullmatch(language):
            raise BadInput(_("A language tag such as en or zh is wanted."), field="languages")


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

    Raises BadInput for an unknown role or a language that is no language tag.
    """
    if role not in Role.values:
        raise BadInput(
            _("%(role)s is no role; there are %(roles)s.")
            % {"role": ascii(role), "roles": ", ".join(Role.values)},
            field="role",
        )
    check_languages(languages)
    membership, made = Membership.objects.update_or_create(
        project=project,
        user=user,
        defaults={"role": role, "languages": list(languages), "is_active": True},
    )
    if not made:
        finding.begin_anew(membership)
    audit.record(
        "member.added" if made else "member.changed",
        project=project,
        actor=actor,
        subject=user.public_id,
        role=role,
        languages=list(languages),
    )
    return membership


@transaction.atomic
def set_active(membership: Membership, active: bool, *, actor: User) -> None:
    """End a person's part in the project, or let them in again. What they have given stays.

    Raises NotNow for one's own membership: a project must not lose its last lead by a slip.
    """
    if membership.user_id == actor.pk:
        raise NotNow(_("You cannot end your own membership. Ask another lead or an operator."))
    if Membership.objects.filter(pk=membership.pk, is_active=not active).update(is_active=active):
        audit.record(
            "member.reactivated" if active else "member.deactivated",
            project=membership.project,
            actor=actor,
            subject=membership.user.public_id,
        )


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
