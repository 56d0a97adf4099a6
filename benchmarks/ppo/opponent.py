"""The last PPO that TRL had, `trl.experimental.ppo`, which takes turns with our own."""

from __future__ import annotations

import copy
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from transformers import LlamaForCausalLM, LlamaForSequenceClassification, PrinterCallback, TrainerCallback

from training.contracts import PpoSettings
from training.reward_model import RewardModel
from training.tokens import tiny_tokenizer

VERSION = "1.12.0"


class _Turns(TrainerCallback):
    """Times each iteration of the trainer, and lets the other side have its turn between two."""

    def __init__(self, between: Callable[[], None]) -> None:
        self.between = between
        self.rollouts, self.updates, self.tokens = list[float](), list[float](), list[int]()
        self._read = 0
        self.begin()

    def begin(self) -> None:
        self._begun, self._learning = time.perf_counter(), 0.0

    def on_forward(self, _model: Any, _args: Any, kwargs: dict[str, Any]) -> None:
        """Policy and value model are called together only where an update begins."""
        self._learning = self._learning or time.perf_counter()
        self._read += int(kwargs["attention_mask"].sum())

    def on_step_end(self, *_: Any, **__: Any) -> None:
        now = time.perf_counter()
        self.rollouts.append(self._learning - self._begun)
        self.updates.append(now - self._learning)
        self.tokens.append(self._read)
        self._read = 0
        self.between()
        self.begin()


def run(
    settings: PpoSettings,
    policy: LlamaForCausalLM,
    reward: RewardModel,
    prompts: Sequence[list[int]],
    iterations: int,
    folder: Path,
    between: Callable[[], None],
) -> _Turns:
    """So many iterations of TRL's PPOTrainer at the same settings; `between` is called after each."""
    from datasets import Dataset
    from trl.experimental.ppo import PPOConfig, PPOTrainer

    micro = settings.micro_batch_size
    options = PPOConfig(
        output_dir=str(folder),
        per_device_train_batch_size=micro,
        gradient_accumulation_steps=settings.batch_size // micro,
        num_mini_batches=settings.batch_size // settings.minibatch_size,
        num_ppo_epochs=settings.inner_epochs,
        total_episodes=settings.batch_size * iterations,
        local_rollout_forward_batch_size=settings.batch_size,
        response_length=settings.max_response_tokens,
        stop_token="eos",  # noqa: S106  # no secret: where a response ends
        temperature=settings.temperature,
        missing_eos_penalty=settings.eos_penalty,
        kl_coef=settings.kl_coefficient,
        learning_rate=settings.policy_learning_rate,
        num_sample_generations=0,
        bf16=False,
        gradient_checkpointing=False,
        use_cpu=True,
        report_to="none",
        save_strategy="no",
        logging_strategy="no",
        disable_tqdm=True,
    )
    tokenizer = tiny_tokenizer()
    tokenizer.padding_side = "left"
    turns = _Turns(between)
    trainer = PPOTrainer(
        args=options,
        processing_class=tokenizer,
        model=copy.deepcopy(policy),
        ref_model=copy.deepcopy(policy),
        reward_model=_scorer(reward),
        value_model=_scorer(reward),
        train_dataset=Dataset.from_list([{"input_ids": prompt} for prompt in prompts]),
        callbacks=[turns],
    )
    trainer.remove_callback(PrinterCallback)  # the table is ours
    trainer.model.register_forward_pre_hook(turns.on_forward, with_kwargs=True)
    turns.begin()
    trainer.train()
    return turns


def _scorer(reward: RewardModel) -> LlamaForSequenceClassification:
    config = reward.backbone.config
    config.num_labels, config.pad_token_id = 1, 0
    model = LlamaForSequenceClassification(config)
    model.model.load_state_dict(reward.backbone.state_dict())
    model.score.load_state_dict({"weight": reward.head.weight})
    return model
