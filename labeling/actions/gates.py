"""The gates of a round: what the figures must show before a policy is trained on a reward model."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.utils.translation import gettext as _

from labeling.models import LoopPolicy

FIGURES = ("accuracy", "accuracy_low", "accuracy_high", "pairs", "agreement", "agreement_pairs")


@dataclass(frozen=True)
class Verdict:
    """`why` is empty where the gate is passed; `figures` is what was judged, for the step's row."""

    why: str
    figures: dict[str, Any]

    @property
    def passed(self) -> bool:
        return not self.why


def judge_reward(report: Mapping[str, Any], policy: LoopPolicy) -> Verdict:
    """Whether a reward model may teach, by its report on held-out prompts (training/reward.py).

    The lower 95 % bound of its accuracy must exceed the policy's floor, and the labelers' own agreement
    less a margin. Where either is unknown, the gate is not passed.
    """
    figures = {name: report.get(name) for name in FIGURES}
    figures |= {"floor": policy.reward_gate_floor, "margin": policy.reward_gate_margin}
    low, agreement = figures["accuracy_low"], figures["agreement"]
    if low is None:
        return Verdict("no_accuracy", figures)
    if low <= policy.reward_gate_floor:
        return Verdict("below_floor", figures)
    if agreement is None:
        return Verdict("no_agreement", figures)
    if low <= agreement - policy.reward_gate_margin:
        return Verdict("below_agreement", figures)
    return Verdict("", figures)


def sentence(why: str, figures: Mapping[str, Any]) -> str:
    """A verdict in the reader's language; `why` and `figures` as they stand in the step's row."""
    if why == "no_accuracy":
        return _(
            "Nothing is known of the reward model's accuracy: no item of the validation split was ranked."
        )
    if why == "no_agreement":
        return _("Nothing is known of the labelers' agreement: no item was ranked by two of them.")
    if why == "below_floor":
        return _(
            "The reward model's accuracy is at least %(low)s (95 %% bound); more than %(floor)s is wanted."
        ) % {"low": _share(figures["accuracy_low"]), "floor": _share(figures["floor"])}
    if why == "below_agreement":
        return _(
            "The reward model's accuracy is at least %(low)s (95 %% bound); more than %(wanted)s is wanted, "
            "which is the labelers' agreement of %(agreement)s less %(margin)s."
        ) % {
            "low": _share(figures["accuracy_low"]),
            "wanted": _share(figures["agreement"] - figures["margin"]),
            "agreement": _share(figures["agreement"]),
            "margin": _share(figures["margin"]),
        }
    return _("The gate is passed.")


def _share(value: float) -> str:
    return f"{value:.3f}"
