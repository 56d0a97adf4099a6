"""TRL's RewardTrainer on all pairs of a ranking."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from transformers import LlamaForSequenceClassification

from training.data import Item
from training.reward_losses import ordered_pairs
from training.reward_model import RewardModel
from training.tokens import tiny_tokenizer

VERSION = "1.16.0"


class Opponent:
    """A RewardTrainer with the same weights, in float32 without gradient checkpointing."""

    def __init__(self, model: RewardModel, folder: Path) -> None:
        from datasets import Dataset
        from trl import RewardConfig, RewardTrainer

        config = model.backbone.config
        config.num_labels = 1
        config.pad_token_id = 0
        self.model = LlamaForSequenceClassification(config)
        self.model.model.load_state_dict(model.backbone.state_dict())
        self.model.score.load_state_dict(model.head.state_dict())
        settings = RewardConfig(
            output_dir=str(folder),
            bf16=False,
            gradient_checkpointing=False,
            use_cpu=True,
            max_length=None,
            report_to="none",
            disable_tqdm=True,
        )
        self.trainer: Any = RewardTrainer(
            model=self.model,
            args=settings,
            train_dataset=Dataset.from_list([{"chosen_ids": [1], "rejected_ids": [2]}]),
            processing_class=tiny_tokenizer(),
        )
        self.trainer.current_gradient_accumulation_steps = 1  # what train() would set

    def step(self, items: Sequence[Item]) -> float:
        """The loss of one batch of all pairs, with its gradients."""
        rows = [
            {
                "chosen_ids": item.prompt + item.responses[winner],
                "rejected_ids": item.prompt + item.responses[loser],
            }
            for item in items
            for ranks in item.orders
            for winner, loser in ordered_pairs(ranks)
        ]
        self.trainer.model.zero_grad()
        batch = self.trainer.data_collator(rows)
        loss: Tensor = self.trainer.training_step(self.trainer.model, batch)
        return loss.item()

    def gradient(self) -> Tensor:
        """In the order of our own model's parameters."""
        return gradient([*self.model.model.parameters(), self.model.score.weight])


def gradient(parameters: Sequence[Tensor]) -> Tensor:
    return torch.cat([p.grad.flatten() for p in parameters if p.grad is not None])
