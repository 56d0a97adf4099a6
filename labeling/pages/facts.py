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
    "accuracy_high": _("accuracy, at most"),
    "accuracy_low": _("accuracy, at least"),
    "agreement": _("agreement"),
    "agreement_high": _("agreement, at most"),
    "agreement_low": _("agreement, at least"),
    "agreement_pairs": _("pairs that two labelers ordered"),
    "all_bad": _("all bad"),
    "approx_kl": _("approximate KL"),
    "bias": _("bias"),
    "best_of": _("best of so many samples"),
    "characters": _("characters"),
    "clip_fraction": _("clipped share"),
    "completion_tokens": _("tokens written"),
    "cost": _("cost"),
    "cut_off": _("cut off before their end"),
    "comparisons": _("comparisons"),
    "completions": _("completions"),
    "demonstrations": _("demonstrations"),
    "difference": _("largest difference"),
    "duplicates": _("duplicates"),
    "entropy": _("entropy"),
    "events": _("events"),
    "extras_left_out": _("extras left out"),
    "floor": _("wanted: more than"),
    "held_out_items": _("items of held-out prompts"),
    "imported": _("imported"),
    "items": _("items"),
    "kl": _("KL (nats)"),
    "labelers": _("labelers"),
    "left_out": _("lines left out"),
    "licence": _("licence"),
    "learning_rate": _("learning rate"),
    "length": _("length"),
    "loss": _("loss"),
    "margin": _("margin below agreement"),
    "members": _("members"),
    "name": _("model"),
    "off": _("turned off"),
    "pairs": _("pairs"),
    "parameters": _("parameters"),
    "policy_loss": _("policy loss"),
    "prompt_tokens": _("tokens read"),
    "prompts": _("prompts"),
    "rankings": _("rankings"),
    "reason": _("reason"),
    "receiver": _("receiver"),
    "review_left_out": _("not accepted by a reviewer, left out"),
    "reward": _("reward"),
    "rows": _("rows"),
    "scale": _("scale"),
    "score": _("score"),
    "shared_prefix": _("prompt read once for all completions"),
    "simulated": _("simulated"),
    "simulated_left_out": _("simulated answers left out"),
    "skipped_all_bad": _("all bad, without an order"),
    "server": _("server"),
    "source": _("source"),
    "splits": _("split"),
    "steps": _("steps"),
    "tasks": _("tasks"),
    "test": _("test"),
    "theta": _("θ, how readily the model expects ties"),
    "tied_pairs": _("tied pairs"),
    "ties": _("rankings with ties"),
    "too_alike": _("prompts whose completions are all alike"),
    "train": _("train"),
    "train_items": _("items trained on"),
    "used": _("used"),
    "valid": _("valid"),
    "valid_accuracy": _("accuracy on the validation split"),
    "valid_loss": _("loss on the validation split"),
    "value_loss": _("value loss"),
    "why": _("why"),
    "without_usage": _("answers that the server did not meter"),
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
    DatasetKind.PRETRAINING: _("pretraining corpus"),
    DatasetKind.TASKS: _("tasks"),
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
    """Stored JSON as (name, text) lines by name (PostgreSQL keeps no order); nested: `outer · inner`."""
    lines: list[tuple[str, str]] = []
    for key, value in sorted(values.items()):
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


def bounds(values: Mapping[str, Any], name: str) -> str:
    """The 95 % interval of a stored share, empty where there is none."""
    low, high = values.get(f"{name}_low"), values.get(f"{name}_high")
    return "" if low is None or high is None else f"{share(low)} – {share(high)}"


def elapsed(start: datetime | None, end: datetime | None) -> str:
    """The time between two moments as 0:07, 12:30 or 3:05:09; empty where either is unknown."""
    return "" if start is None or end is None else clock((end - start).total_seconds())


def clock(seconds: float) -> str:
    minutes, rest = divmod(max(0, round(seconds)), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
