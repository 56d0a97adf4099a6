"""The words of prompts that labelers write: kinds and flags, with what each means."""

from __future__ import annotations

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from labeling.models import PromptFlag, PromptKind

KINDS: dict[str, Promise] = {
    PromptKind.PLAIN: _("Plain"),
    PromptKind.FEW_SHOT: _("Few-shot"),
    PromptKind.USER_BASED: _("For a given use"),
}
FLAG_HELP: dict[str, Promise] = {
    PromptFlag.AMBIGUOUS: _("It can be read in more than one way."),
    PromptFlag.SENSITIVE: _("Not everybody wants to read it: sex, violence, hate, self-harm or the like."),
    PromptFlag.IDENTITY: _("A good answer depends on who is asking: age, country, belief."),
    PromptFlag.CLOSED_DOMAIN: _("The answer should use nothing but what the prompt says."),
    PromptFlag.CONTINUATION: _("It begins a text that is to be continued, rather than asking."),
    PromptFlag.OPINION: _("It asks what the assistant thinks."),
    PromptFlag.ADVICE: _("Somebody may act on the answer."),
    PromptFlag.MORAL: _("It asks whether something is right or wrong."),
    PromptFlag.SAFETY_CONSTRAINTS: _("It says what the answer must not do, to keep people from harm."),
    PromptFlag.OTHER_CONSTRAINTS: _("It says what form the answer must have: length, words, format."),
    PromptFlag.INTENT_UNCLEAR: _("One cannot tell what its author wants."),
}


def flags() -> list[tuple[str, str, str]]:
    """Value, name and help of each flag, in the paper's order."""
    return [(flag.value, str(flag.label), str(FLAG_HELP[flag])) for flag in PromptFlag]
