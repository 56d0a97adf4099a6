"""A project's guidelines: written as versions by leads, accepted by those who work by them."""

from __future__ import annotations

from django.db import transaction
from django.db.models import Exists, OuterRef
from django.utils.translation import gettext as _

from labeling.actions import audit, prepared
from labeling.actions.errors import BadInput, NotNow, Stale
from labeling.actions.text import check_text
from labeling.models import Acceptance, Guidelines, Membership, Project, User

MAX_BYTES = 64 * 1024
"""Nobody reads more before they begin."""
NOTE_LENGTH = 200

UNACCEPTED = """
SELECT true FROM labeling_guidelines wanted
WHERE wanted.project_id = %(project)s AND wanted.binding AND NOT EXISTS (
    SELECT 1 FROM labeling_guidelines given
    JOIN labeling_acceptance acceptance ON acceptance.guidelines_id = given.id
    WHERE given.project_id = wanted.project_id AND given.version >= wanted.version
      AND acceptance.user_id = %(user)s)
LIMIT 1
"""


def latest(project: Project) -> Guidelines | None:
    """The version in force; None where nobody has written any."""
    return Guidelines.objects.filter(project=project).order_by("-version").first()


def check_note(note: str) -> str:
    """What a version changes, on one line. Raises BadInput."""
    check_text(note, "note", required=False)
    if len(note) > NOTE_LENGTH:
        raise BadInput(_("At most %(most)d characters, please.") % {"most": NOTE_LENGTH}, field="note")
    return " ".join(note.split())


@transaction.atomic
def write(
    project: Project,
    text: str,
    *,
    base: int,
    binding: bool = False,
    note: str = "",
    actor: User | None = None,
) -> Guidelines:
    """A new version, on top of the one numbered `base` (0: the first).

    Raises BadInput, NotNow where nothing would change, and Stale, with what is stored, where `base` is not
    the version in force: two leads never overwrite each other.
    """
    text = check_text(text, "text", max_bytes=MAX_BYTES, required=binding).replace("\r\n", "\n")
    note = check_note(note)
    Project.objects.select_for_update(no_key=True).get(pk=project.pk)
    now = latest(project)
    number = now.version if now else 0
    if base != number:
        raise Stale(
            _("Version %(number)d has been written meanwhile. Yours is kept here: put the two together.")
            % {"number": number},
            field="base",
            data={"stored": {"version": number, "text": now.text if now else ""}},
        )
    if now and (now.text, now.binding) == (text, binding):
        raise NotNow(_("Nothing is changed."), data={"code": "unchanged"})
    written = Guidelines.objects.create(
        project=project, version=number + 1, text=text, binding=binding, note=note, created_by=actor
    )
    audit.record(
        "guidelines.written",
        project=project,
        actor=actor,
        subject=project.public_id,
        version=written.version,
        binding=binding,
    )
    return written


@transaction.atomic
def accept(membership: Membership, version: int) -> Guidelines:
    """This member has read the version in force. Accepting twice is the same as once.

    Raises NotNow if another version is in force by now: that is the one to read.
    """
    now = latest(membership.project)
    if now is None or now.version != version:
        raise NotNow(
            _("The guidelines have just been changed. Please read the new version."),
            data={"code": "guidelines_changed"},
        )
    _acceptance, is_new = Acceptance.objects.get_or_create(guidelines=now, user=membership.user)
    if is_new:
        audit.record(
            "guidelines.accepted",
            project=membership.project,
            actor=membership.user,
            subject=membership.project.public_id,
            version=version,
        )
    return now


def accepted(membership: Membership) -> Guidelines | None:
    """The newest version that this member has accepted."""
    given = Guidelines.objects.filter(project=membership.project_id, acceptances__user=membership.user_id)
    return given.order_by("-version").first()


def must_accept(membership: Membership) -> bool:
    """Whether a binding version is there that this member has accepted neither itself nor a later one of."""
    values = {"project": membership.project_id, "user": membership.user_id}
    return prepared.row(UNACCEPTED, values) is not None


def yet_to_accept(project: Project) -> int:
    """How many members that hinders from working now."""
    bound = Guidelines.objects.filter(project=project, binding=True).order_by("-version").first()
    if bound is None:
        return 0
    given = Acceptance.objects.filter(
        user=OuterRef("user"), guidelines__project=project, guidelines__version__gte=bound.version
    )
    members = Membership.objects.filter(project=project, is_active=True, user__is_active=True)
    return members.exclude(Exists(given)).count()


def hindrance(membership: Membership) -> NotNow | None:
    """Nobody works on before they have accepted what binds."""
    if not must_accept(membership):
        return None
    return NotNow(
        _("Please read and accept the guidelines first. Whatever you have begun is kept."),
        data={"code": "guidelines"},
    )
