"""Which of a run's steps is published: the one whose samples a reward model likes best, or the last.

InstructGPT chose its SFT models by reward score on the validation set (3.5, C.1): validation loss is at its
best after an epoch, while labelers prefer what comes later. The reward model must not have been trained on
the prompts that it judges by, or it would like what it has seen.
"""

from __future__ import annotations

import math
from typing import Any, cast

import torch
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from training import data
from training.contracts import (
    TRAINED_ON,
    ContractError,
    DemonstrationRow,
    SftSettings,
    TrainedOn,
    from_dict,
    read_json,
)
from training.data import Prompt
from training.reward import score_all
from training.reward_model import load_reward_model
from training.sampling import sample_all
from training.stage import Run
from training.tokens import encode_prompt
from training.tuning import autocast


class Judge:
    """A reward model and the held-out prompts that are new to it."""

    def __init__(self, run: Run, tokenizer: PreTrainedTokenizerBase) -> None:
        """Raises ContractError if the reward model does not say what it was trained on."""
        self.run, self.tokenizer = run, tokenizer
        self.settings = cast(SftSettings, run.config.settings)
        folder = run.input("reward")
        self.model, self.reader = load_reward_model(folder)
        self.model.to(run.device)
        if not (folder / TRAINED_ON).is_file():
            raise ContractError(
                f"inputs/reward: {TRAINED_ON} is missing, so it may have been trained on the prompts that it "
                'would judge by; settings.checkpoint "last" does without a judge'
            )
        known = set(from_dict(TrainedOn, read_json(folder / TRAINED_ON), TRAINED_ON).prompts)
        limit = self.settings.max_prompt_tokens
        rows = data.load_rows(run.input("dataset.jsonl"), DemonstrationRow)
        new = {row.prompt: row for row in rows if row.split == "valid" and row.prompt not in known}
        self.prompts = [
            Prompt(row.prompt, row.split, row.messages, encode_prompt(tokenizer, row.messages, limit))
            for row in list(new.values())[: self.settings.max_valid_rows]
        ]

    def __call__(self, policy: PreTrainedModel) -> float:
        """The mean score of one sample for each prompt, by the same random numbers each time."""
        policy.eval()
        scores = []
        with autocast(self.settings, self.run.device):
            for indices, samples in sample_all(
                policy,
                self.tokenizer,
                self.prompts,
                limit=self.settings.max_response_tokens,
                batch_size=self.settings.batch_size,
                seed=self.run.config.seed,
            ):
                asked = [self.prompts[index] for index in indices]
                read = data.reread(
                    asked, samples.responses, self.tokenizer, self.reader, self.settings.max_prompt_tokens
                )
                scores.append(score_all(self.model, self.reader, read, self.settings.batch_size))
        policy.train()
        return torch.cat(scores).mean().item()


class Best:
    """The weights of the best evaluation so far, out of the device's memory; part of a run's checkpoints."""

    def __init__(self, model: PreTrainedModel) -> None:
        self.model = model
        self.step, self.value = 0, -math.inf
        self.figures: dict[str, float] = {}
        self.weights: dict[str, torch.Tensor] = {}

    def offer(self, step: int, value: float, figures: dict[str, float]) -> None:
        """Keep the model as it is if its value is the highest yet; the earlier of equal ones stays."""
        if value > self.value:
            self.step, self.value, self.figures = step, value, figures
            moved = ((name, each) for name, each in self.model.named_parameters() if each.requires_grad)
            self.weights = {name: each.detach().to("cpu", copy=True) for name, each in moved}

    @torch.no_grad()
    def restore(self) -> None:
        """Bring the model back to what was kept."""
        for name, each in self.model.named_parameters():
            if name in self.weights:
                each.copy_(self.weights[name])

    def state_dict(self) -> dict[str, Any]:
        return {"step": self.step, "value": self.value, "figures": self.figures, "weights": self.weights}

    def load_state_dict(self, state_dict: dict[str, Any], /) -> None:
        self.step, self.value = state_dict["step"], state_dict["value"]
        self.figures, self.weights = state_dict["figures"], state_dict["weights"]
