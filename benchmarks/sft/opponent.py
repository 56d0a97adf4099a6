"""TRL's SFTTrainer with its own collator and training step; its environment is that of benchmarks/reward."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from torch import Tensor
from transformers import LlamaForCausalLM

from training.data import Example
from training.tokens import tiny_tokenizer


class Opponent:
    """The same model, weights shared, in float32 without gradient checkpointing; loss on responses alone."""

    def __init__(self, model: LlamaForCausalLM, folder: Path) -> None:
        from datasets import Dataset
        from trl import SFTConfig, SFTTrainer

        settings = SFTConfig(
            output_dir=str(folder),
            bf16=False,
            gradient_checkpointing=False,
            use_cpu=True,
            max_length=None,
            dataset_kwargs={"skip_prepare_dataset": True},
            report_to="none",
            disable_tqdm=True,
        )
        self.trainer: Any = SFTTrainer(
            model=model,
            args=settings,
            train_dataset=Dataset.from_list([{"input_ids": [1, 2], "labels": [-100, 2]}]),
            processing_class=tiny_tokenizer(),
        )
        self.trainer.current_gradient_accumulation_steps = 1  # what train() would set

    def step(self, examples: Sequence[Example]) -> float:
        """The loss of one batch, with its gradients."""
        rows = [
            {
                "input_ids": example.prompt + example.response,
                "labels": [-100] * len(example.prompt) + example.response,
            }
            for example in examples
        ]
        self.trainer.model.zero_grad()
        batch = self.trainer.data_collator(rows)
        loss: Tensor = self.trainer.training_step(self.trainer.model, batch)
        return loss.item()
