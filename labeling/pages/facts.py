"""Names and figures as a lead reads them: stored JSON becomes labelled lines, seconds become a duration."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.utils.translation import gettext_lazy as _

from labeling.models import DatasetKind, ModelKind
from labeling.pages.charts import number

WORDS: dict[str, Any] = {
    "accuracy": _("accuracy"),
    "agreement": _("agreement"),
    "approx_kl": _("approximate KL"),
    "clip_fraction": _("clipped share"),
    "comparisons": _("comparisons"),
    "completions": _("completions"),
    "demonstrations": _("demonstrations"),
    "entropy": _("entropy"),
    "items": _("items"),
    "kl": _("KL (nats)"),
    "learning_rate": _("learning rate"),
    "length": _("length"),
    "loss": _("loss"),
    "pairs": _("pairs"),
    "parameters": _("parameters"),
    "policy_loss": _("policy loss"),
    "prompts": _("prompts"),
    "rankings": _("rankings"),
    "reward": _("reward"),
    "rows": _("rows"),
    "score": _("score"),
    "steps": _("steps"),
    "test": _("test"),
    "train": _("train"),
    "valid": _("valid"),
    "valid_accuracy": _("accuracy on the validation split"),
    "valid_loss": _("loss on the validation split"),
    "value_loss": _("value loss"),
}
MODEL_KINDS = {
    ModelKind.OUTSIDE: _("outside model"),
    ModelKind.SFT: _("SFT model"),
    ModelKind.REWARD: _("reward model"),
    ModelKind.POLICY: _("policy"),
}
DATASET_KINDS = {
    DatasetKind.SFT: _("demonstrations"),
    DatasetKind.COMPARISONS: _("comparisons"),
    DatasetKind.PROMPTS: _("prompts"),
}


@dataclass(frozen=True)
class Figure:
    """A figure with its name; `note` says what it is made of, `tone` is good, warn or danger."""

    name: str
    value: str
    note: str = ""
    tone: str = ""


def word(key: str) -> str:
    """The name of a stored figure: a translated one where it is known, else the key as words."""
    return str(WORDS.get(key) or key.replace("_", " "))


def facts(values: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Stored JSON as (name, text) lines in its own order; nested objects are named `outer · inner`."""
    lines: list[tuple[str, str]] = []
    for key, value in values.items():
        if isinstance(value, Mapping):
            lines += [(f"{word(key)} · {name}", text) for name, text in facts(value)]
        elif value is not None and value != "" and value != []:
            lines.append((word(key), text_of(value)))
    return lines


def text_of(value: Any) -> str:
    if isinstance(value, bool):
        return str(_("yes") if value else _("no"))
    if isinstance(value, int | float):
        return number(value)
    if isinstance(value, list | tuple):
        return ", ".join(text_of(entry) for entry in value)
    return str(value)


def share(value: float) -> str:
    """A share of one as per cent: 0.714 is 71.4 %."""
    return f"{100 * value:.1f} %"


def elapsed(start: datetime | None, end: datetime | None) -> str:
    """The time between two moments as 0:07, 12:30 or 3:05:09; empty where either is unknown."""
    return "" if start is None or end is None else clock((end - start).total_seconds())


def clock(seconds: float) -> str:
    minutes, rest = divmod(max(0, round(seconds)), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
