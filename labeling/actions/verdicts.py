"""What a reviewer's verdict does to a text that a labeler wrote: a demonstration, or a prompt."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeAlias

from django.utils.translation import gettext as _

from labeling.actions import onboarding, written_prompts
from labeling.actions.errors import NotNow
from labeling.models import (
    Demonstration,
    DemonstrationRevision,
    Membership,
    Purpose,
    User,
    Verdict,
    WrittenPrompt,
    WrittenPromptRevision,
)

Text: TypeAlias = Demonstration | WrittenPrompt
TextRevision: TypeAlias = DemonstrationRevision | WrittenPromptRevision


def latest_of(text: Text) -> TextRevision:
    found: TextRevision | None = text.revisions.order_by("-number").first()
    assert found is not None
    return found


def turns_of(revision: TextRevision) -> list[dict[str, str]]:
    """What a revision says, turn by turn: a demonstration is one turn, the assistant's."""
    if isinstance(revision, DemonstrationRevision):
        return [{"role": "assistant", "content": revision.text}]
    return revision.messages


def rewrite(text: Text, turns: Sequence[str], by: User, digest: bytes) -> int:
    """Append a revision by a reviewer with these words in its turns; its number.

    To be called with the text locked.
    """
    latest = latest_of(text)
    columns: dict[str, Any] = {
        "number": latest.number + 1, "base": latest.number, "labeler": by, "body_digest": digest,
    }  # fmt: skip
    if isinstance(latest, DemonstrationRevision):
        DemonstrationRevision.objects.create(
            demonstration_id=text.pk, text=turns[0], pasted_share=latest.pasted_share, **columns
        )
    else:
        WrittenPromptRevision.objects.create(
            written_prompt_id=text.pk,
            kind=latest.kind,
            messages=[
                {**turn, "content": content} for turn, content in zip(latest.messages, turns, strict=True)
            ],
            use_case=latest.use_case,
            language=latest.language,
            flags=latest.flags,
            pasted_share=latest.pasted_share,
            **columns,
        )
    return latest.number + 1


def judge(text: Text, verdict: str) -> None:
    """Set the verdict on a text, and what follows from it. To be called with the text locked.

    Raises NotNow where a prompt has been taken into the project already: others work with it now.
    """
    if isinstance(text, WrittenPrompt) and text.prompt_id is not None:
        raise NotNow(_("The prompt has been taken into the project already."), data={"code": "adopted"})
    type(text).objects.filter(pk=text.pk).update(verdict=verdict, wants_review=False)
    if isinstance(text, WrittenPrompt) and verdict in (Verdict.ACCEPTED, Verdict.EDITED):
        written_prompts.adopt(text)
    elif text.item is not None and text.item.purpose == Purpose.TEST:
        membership = Membership.objects.filter(project_id=text.project_id, user=text.labeler).first()
        if membership is not None:
            onboarding.rated(membership)
