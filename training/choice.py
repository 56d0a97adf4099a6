"""Which step of a fine-tuning run is published: the one that a reward model, or validation loss, likes best.

InstructGPT chose its SFT models by the reward model's score on the validation set: they overfit validation
loss after one of sixteen epochs, and still got better by score and by labelers' preference (3.5, C.1).
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from training import data, devices
from training.contracts import TRAINED_ON, ContractError, DemonstrationRow, TrainedOn, from_dict, read_json
from training.data import Example, Prompt
from training.reward import score_all
from training.reward_model import load_reward_model
from training.sampling import sample_all
from training.stage import Run
from training.tokens import encode_prompt, reads_alike

Measure = Literal["reward", "valid_loss", "last"]


class Best:
    """The weights of the best step so far, on the CPU; a part of a run's checkpoints.

    Only what is trained is kept: with LoRA, the adapters. By "last" nothing is.
    """

    def __init__(self, model: PreTrainedModel, by: Measure) -> None:
        self.model, self.by = model, by
        self.step = 0
        self.figures: dict[str, float] = {}
        self._weights: dict[str, Tensor] = {}

    def offer(self, step: int, figures: dict[str, float]) -> None:
        """Keep the model as it is now if it is better; of equals the earlier step stays."""
        sign = 1 if self.by == "reward" else -1
        if self.by != "last" and self.figures and sign * (figures[self.by] - self.figures[self.by]) <= 0:
            return
        self.step, self.figures = step, figures
        if self.by != "last":
            self._weights = {
                name: devices.full(weight.detach()).cpu().clone() for name, weight in self._trained()
            }

    @torch.no_grad()
    def restore(self) -> None:
        """Give the model the weights of the best step."""
        for name, weight in self._trained():
            if name in self._weights:
                weight.copy_(devices.part(self._weights[name], weight))

    def state_dict(self) -> dict[str, Any]:
        return {"step": self.step, "figures": self.figures, "weights": self._weights}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.step, self.figures = state_dict["step"], state_dict["figures"]
        self._weights = state_dict["weights"]

    def _trained(self) -> list[tuple[str, torch.nn.Parameter]]:
        return [(name, weight) for name, weight in self.model.named_parameters() if weight.requires_grad]


@dataclass
class Judge:
    """A reward model and the held-out prompts that it was not trained on."""

    run: Run
    tokenizer: PreTrainedTokenizerBase
    prompts: Sequence[Prompt]
    prompt_limit: int
    response_limit: int
    batch_size: int

    def __post_init__(self) -> None:
        self.model, self.reader = load_reward_model(self.run.input("reward"))
        self.model.to(self.run.device)

    def reward(self, policy: PreTrainedModel) -> float:
        """The mean score of a response to each prompt at temperature 1, with the same noise at every step."""
        was_training = policy.training
        policy.eval()
        limits = {"limit": self.response_limit, "batch_size": self.batch_size}
        examples: list[Example] = []
        alike = reads_alike(self.reader, self.tokenizer)
        for indices, drawn in sample_all(
            policy, self.tokenizer, self.prompts, seed=self.run.config.seed, **limits
        ):
            chosen = [self.prompts[index] for index in indices]
            if alike:
                found = [Example(p.ids, r) for p, r in zip(chosen, drawn.responses, strict=True)]
            else:
                found = data.reread(chosen, drawn.responses, self.tokenizer, self.reader, self.prompt_limit)
            examples += found
        policy.train(was_training)
        return float(score_all(self.model, self.reader, examples, self.batch_size).mean())


def judge_of(
    run: Run,
    tokenizer: PreTrainedTokenizerBase,
    *,
    max_prompts: int,
    prompt_limit: int,
    response_limit: int,
    batch_size: int,
) -> Judge | None:
    """The reward model of inputs/reward over held-out prompts that are new to it; None, said, without any.

    Raises ContractError if the model does not say what it was trained on: it may know the answers.
    """
    if not (run.input("reward") / TRAINED_ON).is_file():
        raise ContractError(
            f"inputs/reward: {TRAINED_ON} is missing, so nobody can tell which prompts the model was trained "
            "on: train it anew, or leave it out"
        )
    known = set(from_dict(TrainedOn, read_json(run.input("reward") / TRAINED_ON), TRAINED_ON).prompts)
    rows = {
        row.prompt: row
        for row in data.load_rows(run.input("dataset.jsonl"), DemonstrationRow)
        if row.split == "valid" and row.prompt not in known
    }
    if not rows:
        print("No held-out prompt is new to the reward model: validation loss chooses.", file=sys.stderr)
        return None
    prompts = [
        Prompt(row.prompt, row.split, row.messages, encode_prompt(tokenizer, row.messages, prompt_limit))
        for row in list(rows.values())[:max_prompts]
    ]
    return Judge(run, tokenizer, prompts, prompt_limit, response_limit, batch_size)
