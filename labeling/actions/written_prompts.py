"""Prompts by labelers: submitting and revising one, and taking it into the project."""

from __future__ import annotations

import datetime
from typing import Any

from django.db import transaction
from django.db.models import Q
from django.db.models.functions import Now
from django.utils.translation import gettext as _

from labeling.actions import prepared
from labeling.actions.answers import (
    Request,
    Submitted,
    check_base,
    note_revision,
    pasted_share,
    receive,
)
from labeling.actions.errors import BadInput, NotNow
from labeling.actions.import_items import queue_imported
from labeling.actions.import_rows import Message, check_label, check_messages, messages_digest, split_by_hash
from labeling.actions.rows import pseudonym
from labeling.actions.slots import check_unanswered, take_slot
from labeling.models import (
    Assignment,
    Item,
    Project,
    Prompt,
    PromptFlag,
    PromptKind,
    Purpose,
    Sensitive,
    Verdict,
    WrittenPrompt,
    WrittenPromptRevision,
)

FIELDS = frozenset({"messages", "use_case", "language", "flags", "active_seconds", "pasted_share"})
UNDO = datetime.timedelta(minutes=10)
"""For so long its author may change a prompt; then it becomes one of the project's."""
MOST_EXAMPLES = 20
SOURCE = "labeler"
AT_ONCE = 500
TAKEN = (Verdict.ACCEPTED, Verdict.EDITED)


# --- writing -----------------------------------------------------------------------------------------


@transaction.atomic
def submit(assignment: Assignment, body: dict[str, Any], key: str) -> Submitted:
    """Store a prompt and fill the slot; late, it fills a free one or becomes an extra.

    The same key and body again give the stored answer. Raises BadInput, KeyReused, and NotNow if the
    item was answered or skipped before.
    """
    request = receive(assignment, body, key, FIELDS, WrittenPromptRevision.objects)
    if request.stored is not None:
        return _submitted(request.stored, created=False)
    held = request.held
    check_unanswered(held)
    given = _check(body, held.item)
    slot, answered = take_slot(held)
    prepared.run(*answered)
    written = WrittenPrompt.objects.create(
        project_id=held.project_id,
        item_id=held.item_id,
        assignment=held,
        slot_id=slot,
        labeler_id=held.labeler_id,
        is_simulated=assignment.labeler.is_simulated,
    )
    return _submitted(_write(written, request, given, number=1, base=0), created=True)


@transaction.atomic
def revise(written: WrittenPrompt, body: dict[str, Any], key: str) -> Submitted:
    """Append a revision on the stated base.

    Raises as `submit`, Stale with the stored prompt, and NotNow once it has become one of the project's.
    """
    assert written.assignment is not None
    request = receive(written.assignment, body, key, FIELDS | {"base"}, WrittenPromptRevision.objects)
    if request.stored is not None:
        return _submitted(request.stored, created=False)
    check_own(WrittenPrompt.objects.select_for_update().get(pk=written.pk))
    latest = written.revisions.order_by("-number")[0]
    base = check_base(body, latest.number, as_given(latest))
    given = _check(body, request.held.item)
    revision = _write(written, request, given, number=latest.number + 1, base=base)
    note_revision(written)
    return _submitted(revision, created=True)


def check_own(written: WrittenPrompt) -> None:
    """Raises NotNow once it has become one of the project's, and its author's alone no more."""
    if written.prompt_id is not None:
        raise NotNow(
            _("The prompt has been taken into the project, and others work with it now."),
            data={"code": "adopted"},
        )


def as_given(revision: WrittenPromptRevision) -> dict[str, Any]:
    """What a revision says, as a submit takes it."""
    return {
        "messages": revision.messages,
        "use_case": revision.use_case,
        "language": revision.language,
        "flags": list(revision.flags),
    }


def _check(body: dict[str, Any], item: Item) -> dict[str, Any]:
    """What the prompt says, by the item's brief. Raises BadInput that names the field."""
    brief = item.brief
    kind = PromptKind(brief["kind"])
    messages = check_messages(body.get("messages"), "messages")
    _check_shape(messages, kind)
    flags = body.get("flags", [])
    if not isinstance(flags, list) or not all(isinstance(flag, str) for flag in flags):
        raise BadInput(_("A list of texts is wanted."), field="flags")
    for flag in flags:
        if flag not in PromptFlag.values:
            raise BadInput(_("There is no such flag."), field="flags")
    return {
        "kind": kind,
        "messages": messages,
        "use_case": _as_asked("use_case", body, brief),
        "language": _as_asked("language", body, brief),
        "flags": [flag for flag in PromptFlag.values if flag in flags],
    }


def _check_shape(messages: list[Message], kind: PromptKind) -> None:
    """Few-shot: the instruction is the system's turn, examples are pairs, the question is last."""
    roles = [turn["role"] for turn in messages]
    if kind != PromptKind.FEW_SHOT:
        if roles != ["user"]:
            raise BadInput(_("A single turn, the user's, is wanted."), field="messages")
        return
    examples = (len(roles) - 2) // 2
    if roles != ["system", *["user", "assistant"] * examples, "user"] or not 1 <= examples <= MOST_EXAMPLES:
        raise BadInput(
            _(
                "The instruction (system), 1 to %(most)d examples (user and assistant in turn), "
                "and a last question (user) are wanted."
            )
            % {"most": MOST_EXAMPLES},
            field="messages",
        )


def _as_asked(name: str, body: dict[str, Any], brief: dict[str, str]) -> str:
    """The label that the brief asks for; where it leaves that open, the author has to choose."""
    asked = brief.get(name, "")
    given = body.get(name) or asked
    if not given:
        raise BadInput(_("This is wanted."), field=name)
    chosen = check_label(name, given)
    if asked and chosen != asked:
        raise BadInput(_("%(asked)s is asked for.") % {"asked": asked}, field=name)
    return chosen


def _write(
    written: WrittenPrompt, request: Request, given: dict[str, Any], *, number: int, base: int
) -> WrittenPromptRevision:
    return WrittenPromptRevision.objects.create(
        written_prompt=written,
        pasted_share=pasted_share(request.body),
        **given,
        **request.columns(number=number, base=base),
    )


def _submitted(revision: Any, *, created: bool) -> Submitted:
    return Submitted(answer=revision.written_prompt, revision=revision.number, created=created)


# --- taking it into the project ------------------------------------------------------------------------


def adopt_due() -> int:
    """Take in the prompts whose time for undo is over; returns how many.

    An extra waits until a slot of its item is free, and what a reviewer shall see, for their verdict.
    """
    due = WrittenPrompt.objects.filter(
        Q(wants_review=False, verdict="") | Q(verdict__in=TAKEN),
        prompt=None,
        slot__isnull=False,
        item__purpose=Purpose.WORK,
        created_at__lt=Now() - UNDO,
    ).order_by("pk")[:AT_ONCE]
    return sum(_adopt_if_free(written) for written in due)


@transaction.atomic
def _adopt_if_free(written: WrittenPrompt) -> bool:
    """Whoever holds it is about to change, judge or adopt it: it comes again with the next tick."""
    free = WrittenPrompt.objects.select_for_update(of=("self",), skip_locked=True)
    if not free.filter(pk=written.pk, prompt=None).exists():
        return False
    adopt(written)
    return True


@transaction.atomic
def adopt(written: WrittenPrompt) -> Prompt:
    """Make it a prompt of the project, as it now stands; once, however often this is called.

    The same conversation as a prompt that is there already becomes that one. A reviewer's verdict calls
    this where it takes the prompt; without review the tick does (`adopt_due`).
    """
    held = WrittenPrompt.objects.select_for_update(of=("self",)).select_related(
        "project", "item", "labeler", "prompt"
    )
    whole = held.get(pk=written.pk)
    if whole.prompt is not None:
        return whole.prompt
    # Imports do the same: what each of them finds, or finds missing, stays so until it is done.
    Project.objects.select_for_update(no_key=True).get(pk=whole.project_id)
    revision = whole.revisions.order_by("-number")[0]
    digest = messages_digest(revision.messages)
    prompt = Prompt.objects.filter(project=whole.project, digest=digest).first()
    if prompt is None:
        prompt = _new_prompt(whole, revision, digest)
    WrittenPrompt.objects.filter(pk=whole.pk).update(prompt=prompt)
    assert whole.item is not None
    if whole.item.brief.get("demonstrate"):
        queue_imported(whole.project, {prompt.pk: prompt}, set(), k=0, seed=0, demonstrate=True)
    return prompt


def _new_prompt(written: WrittenPrompt, revision: WrittenPromptRevision, digest: bytes) -> Prompt:
    """A group is its author, so that no author's prompts are in two splits."""
    assert written.labeler is not None
    group = pseudonym(written.project, written.labeler.public_id)
    settled = Prompt.objects.filter(project=written.project, group=group).values_list("split", flat=True)
    return Prompt.objects.create(
        project=written.project,
        digest=digest,
        messages=revision.messages,
        split=settled.first() or split_by_hash(group, digest),
        use_case=revision.use_case,
        language=revision.language,
        group=group,
        source=SOURCE,
        author=written.labeler,
        sensitive=[Sensitive.OTHER] if PromptFlag.SENSITIVE in revision.flags else [],
        flags=revision.flags,
        is_simulated=written.is_simulated,
    )
