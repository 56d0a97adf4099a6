"""PPO: the policy learns to write what the reward model prefers, held near where it started (C.4)."""

from __future__ import annotations

import copy
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, cast

import torch
from torch import Tensor
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from training import data
from training.checkpoints import load_policy, place, save_model
from training.contracts import ContractError, PpoSettings
from training.losses import gae, masked_mean, policy_loss, token_rewards, value_loss, whiten
from training.optimizer import adam, constant_from_tenth
from training.reward_model import Scorer, load_reward_model
from training.sampling import log_probs_of, response_log_probs, response_logits, sample
from training.stage import Run, main
from training.tokens import Batch, collate

FINAL_SAMPLES = 512


@dataclass(frozen=True)
class Rollout:
    """Sampled responses with all that learning from them needs; [N, R] but for `scores` and `cut_off` [N]."""

    batch: Batch
    log_probs: Tensor
    reference: Tensor
    values: Tensor
    scores: Tensor
    cut_off: Tensor

    @property
    def mask(self) -> Tensor:
        return self.batch.response_mask

    @property
    def kl(self) -> Tensor:
        """[N] log pi(y|x) - log pi_reference(y|x) of each response, nats: its mean estimates the KL."""
        return ((self.log_probs - self.reference) * self.mask).sum(dim=1)


class Trainer:
    """The four models of PPO and one iteration of it."""

    def __init__(
        self,
        settings: PpoSettings,
        policy: PreTrainedModel,
        reward: Scorer,
        tokenizer: PreTrainedTokenizerBase,
        generator: torch.Generator,
    ) -> None:
        self.settings, self.tokenizer, self.generator = settings, tokenizer, generator
        self.policy, self.reward = policy, reward.requires_grad_(False)
        self.reference = copy.deepcopy(policy).requires_grad_(False)
        self.average = copy.deepcopy(policy).requires_grad_(False)
        self.value = copy.deepcopy(reward.first).requires_grad_(True)
        self.policy_optimizer = adam(policy.parameters(), settings.policy_learning_rate)
        self.value_optimizer = adam(self.value.parameters(), settings.value_learning_rate)
        self.schedules = [
            constant_from_tenth(optimizer, settings.warmup_iterations)
            for optimizer in (self.policy_optimizer, self.value_optimizer)
        ]

    @torch.no_grad()
    def roll_out(self, policy: PreTrainedModel, prompts: Sequence[list[int]]) -> Rollout:
        """Sample a response to each prompt and score it."""
        settings, pad = self.settings, self.tokenizer.pad_token_id
        samples = sample(
            policy,
            prompts,
            end=self.tokenizer.eos_token_id,
            pad=pad,
            limit=settings.max_response_tokens,
            generator=self.generator,
            temperature=settings.temperature,
        )
        batch = collate(prompts, samples.responses, pad, policy.device)
        return Rollout(
            batch=batch,
            log_probs=samples.log_probs,
            reference=response_log_probs(self.reference, batch, settings.temperature),
            values=self.value.values(batch) * batch.response_mask,
            scores=self.reward(batch),
            cut_off=~samples.finished,
        )

    def learn(self, rollout: Rollout) -> dict[str, float]:
        """Update policy, value model and average from a rollout; returns what the updates looked like."""
        settings = self.settings
        scores = rollout.scores - settings.eos_penalty * rollout.cut_off
        rewards = token_rewards(
            scores, rollout.log_probs, rollout.reference, rollout.mask, settings.kl_coefficient
        )
        advantages, returns = gae(rewards, rollout.values, rollout.mask, settings.gamma, settings.gae_lambda)
        if settings.whiten_advantages:
            advantages = whiten(advantages, rollout.mask)
        figures: list[dict[str, float]] = []
        for _ in range(settings.inner_epochs):
            order = torch.randperm(len(scores), generator=self.generator, device=scores.device)
            for index in order.split(settings.minibatch_size):
                figures.append(self._update(rollout, advantages, returns, index))
        for schedule in self.schedules:
            schedule.step()
        self._follow()
        names = ("policy_loss", "value_loss", "entropy", "clip_fraction")
        means = {name: sum(line[name] for line in figures) / len(figures) for name in names}
        # Sampling and scoring are one distribution, so this is rounding error alone.
        return {**means, "first_ratio_error": figures[0]["ratio_error"]}

    def _update(
        self, rollout: Rollout, advantages: Tensor, returns: Tensor, index: Tensor
    ) -> dict[str, float]:
        settings, batch = self.settings, rollout.batch.rows(index)
        mask = batch.response_mask
        width = slice(mask.shape[1])
        old, old_values = rollout.log_probs[index, width], rollout.values[index, width]

        logits = response_logits(self.policy, batch, settings.temperature)
        log_probs = log_probs_of(logits, batch.responses)
        surrogate, clipped = policy_loss(log_probs, old, advantages[index, width], mask, settings.clip)
        surrogate.backward()
        step(self.policy, self.policy_optimizer, settings.max_gradient_norm)

        values = self.value.values(batch)
        error = value_loss(values, old_values, returns[index, width], mask, settings.value_clip)
        (settings.value_coefficient * error).backward()
        step(self.value, self.value_optimizer, settings.max_gradient_norm)

        with torch.no_grad():
            everywhere = logits.log_softmax(dim=-1)
            entropy = masked_mean(-(everywhere.exp() * everywhere).sum(dim=-1), mask)
            ratio_error = (((log_probs - old) * mask).exp() - 1).abs().max()
        return {
            "policy_loss": surrogate.item(),
            "value_loss": error.item(),
            "entropy": entropy.item(),
            "clip_fraction": clipped.item(),
            "ratio_error": ratio_error.item(),
        }

    @torch.no_grad()
    def _follow(self) -> None:
        """Move the averaged weights, which are what is published, towards the policy's."""
        weight = 1 - self.settings.ema_decay
        for average, current in zip(self.average.parameters(), self.policy.parameters(), strict=True):
            average.lerp_(current, weight)


def improve(run: Run) -> dict[str, Any]:
    settings = cast(PpoSettings, run.config.settings)

    # 1. The models. Policy, reference and reward read the same tokens, the value model starts as the reward.
    policy, tokenizer = load_policy(run.input("policy"))
    reward, reward_tokenizer = load_reward_model(run.input("reward"))
    if reward_tokenizer.get_vocab() != tokenizer.get_vocab():
        raise ContractError("inputs/reward: its tokenizer is not the policy's")
    place(policy, run.device)
    reward.to(run.device)
    trainer = Trainer(settings, policy, reward, tokenizer, run.generator())

    # 2. The prompts. Held-out ones stay unseen.
    prompts = data.load_prompts(run.input("prompts.jsonl"), tokenizer, settings.max_prompt_tokens)
    train = [prompt.ids for prompt in prompts if prompt.split == "train"]
    held_out = [prompt.ids for prompt in prompts if prompt.split == "valid"]
    if not train:
        raise ContractError("prompts.jsonl: no prompt of the train split")

    # 3. Sample, score, learn.
    total = max(1, settings.episodes // settings.batch_size)
    queue = endless(train, random.Random(run.config.seed))
    for iteration in range(1, total + 1):
        rollout = trainer.roll_out(policy, [next(queue) for _ in range(settings.batch_size)])
        figures = trainer.learn(rollout)
        run.log(
            iteration,
            total,
            loss=figures["policy_loss"],
            kl=rollout.kl.mean().item(),
            score=rollout.scores.mean().item(),
            length=rollout.mask.sum(dim=1).mean().item(),
            cut_off=rollout.cut_off.float().mean().item(),
            **figures,
        )

    # 4. Publish the averaged weights, measured on fresh samples of their own.
    fresh = endless(held_out or train, random.Random(run.config.seed))
    measured = [next(fresh) for _ in range(FINAL_SAMPLES)]
    parts = [
        trainer.roll_out(trainer.average, measured[start : start + settings.batch_size])
        for start in range(0, len(measured), settings.batch_size)
    ]
    kl = torch.cat([part.kl for part in parts])
    save_model(trainer.average, tokenizer, run.outputs)
    return {
        "kl": kl.mean().item(),
        "kl_error": (kl.std() / len(kl) ** 0.5).item(),
        "score": torch.cat([part.scores for part in parts]).mean().item(),
        "length": torch.cat([part.mask.sum(dim=1) for part in parts]).mean().item(),
        "measured_on": "valid" if held_out else "train",
        "iterations": total,
        "episodes": total * settings.batch_size,
    }


def step(model: torch.nn.Module, optimizer: torch.optim.Optimizer, max_norm: float) -> None:
    torch.nn.utils.clip_grad_norm_(model.parameters(), max_norm)
    optimizer.step()
    optimizer.zero_grad()


def endless(prompts: Sequence[list[int]], shuffle: random.Random) -> Iterator[list[int]]:
    """Every prompt once in a random order, then again in another, for ever."""
    while True:
        yield from shuffle.sample(prompts, len(prompts))


if __name__ == "__main__":
    main("ppo", improve)
