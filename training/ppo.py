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
from training.data import Prompt
from training.devices import Group
from training.families import response_logits
from training.losses import (
    adapted_kl_coefficient,
    gae,
    masked_mean,
    policy_loss,
    token_rewards,
    value_loss,
    whiten,
)
from training.noise import keyed, uniform
from training.optimizer import adam, constant_from_tenth
from training.reward import score_all
from training.reward_model import RewardModel, Scorer, load_reward_model, new_reward_model
from training.sampling import log_probs_of, response_log_probs, sample
from training.stage import Run, main
from training.tokens import Batch, collate, reads_alike
from training.tuning import adapters_off, autocast, trained, tune

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
    """The models of PPO and one iteration of it.

    With LoRA the reference is the policy with its adapters off, so that there is no second copy of it.
    """

    def __init__(
        self,
        settings: PpoSettings,
        policy: PreTrainedModel,
        value: RewardModel,
        tokenizer: PreTrainedTokenizerBase,
        reward: Scorer,
        reader: PreTrainedTokenizerBase | None,
        seed: int,
        group: Group,
    ) -> None:
        """`reader`: the tokenizer of a reward model that reads other tokens than the policy's, else None."""
        self.settings, self.tokenizer, self.seed, self.group = settings, tokenizer, seed, group
        self.reward, self.reader = reward.requires_grad_(False), reader
        self.reference = policy if settings.lora_rank else copy.deepcopy(policy).requires_grad_(False)
        self.policy, self.value = policy, value.requires_grad_(True)
        if value.rho is not None:
            value.rho.requires_grad_(False)  # of a reward model's ties: no value depends on it
        tune(policy, settings)
        tune(value.backbone, settings)
        self.spread_policy, self.spread_value = group.spread(policy), group.spread(value)
        # Only what is trained is averaged. (Of LoRA's two factors each by itself, not their product.)
        self.average = [weight.detach().clone() for weight in trained(policy)]
        self.policy_optimizer = adam(trained(policy), settings.policy_learning_rate)
        self.value_optimizer = adam(trained(value), settings.value_learning_rate)
        self.schedules = [
            constant_from_tenth(optimizer, settings.warmup_iterations)
            for optimizer in (self.policy_optimizer, self.value_optimizer)
        ]
        self.kl_coefficient = settings.kl_coefficient

    @torch.no_grad()
    def roll_out(self, prompts: Sequence[Prompt], iteration: int) -> Rollout:
        """Sample a response to each prompt and score it. An episode's noise is keyed by its place.

        Of several processes each samples a share, and all learn from the whole.
        """
        settings, pad, group = self.settings, self.tokenizer.pad_token_id, self.group
        places = range(len(prompts))[group.rank :: group.size]
        whole, prompts = prompts, [prompts[place] for place in places]
        asked = [prompt.ids for prompt in prompts]
        self._train_mode(False)
        with autocast(settings, self.policy.device):
            samples = sample(
                self.policy,
                asked,
                places,
                end=self.tokenizer.eos_token_id,
                pad=pad,
                limit=settings.max_response_tokens,
                seed=self.seed,
                step=iteration,
                temperature=settings.temperature,
            )
            batch = collate(asked, samples.responses, pad, self.policy.device)
            with adapters_off(self.reference):
                reference = response_log_probs(self.reference, batch, settings.temperature)
            own = Rollout(
                batch=batch,
                log_probs=samples.log_probs,
                reference=reference,
                values=self.value.values(batch) * batch.response_mask,
                scores=self._scores(prompts, samples.responses, batch),
                cut_off=~samples.finished,
            )
        return own if group.size == 1 else self._gathered(whole, own, samples.responses)

    def _gathered(self, prompts: Sequence[Prompt], own: Rollout, responses: list[list[int]]) -> Rollout:
        """All processes' episodes, in the order of their prompts: every process-th is one process's."""
        size, device = self.group.size, self.policy.device
        written: list[list[int]] = [[]] * len(prompts)
        for rank, part in enumerate(self.group.gather(responses)):
            written[rank::size] = part

        def together(tensor: Tensor) -> Tensor:
            parts = [part.to(device) for part in self.group.gather(tensor.cpu())]
            width = max((part.shape[1:] for part in parts), default=())
            found = tensor.new_zeros((len(prompts), *width))
            for rank, part in enumerate(parts):
                found[rank::size][(slice(None), *map(slice, part.shape[1:]))] = part
            return found

        return Rollout(
            batch=collate([prompt.ids for prompt in prompts], written, self.tokenizer.pad_token_id, device),
            log_probs=together(own.log_probs),
            reference=together(own.reference),
            values=together(own.values),
            scores=together(own.scores),
            cut_off=together(own.cut_off),
        )

    def _scores(self, prompts: Sequence[Prompt], responses: Sequence[list[int]], batch: Batch) -> Tensor:
        """[N] rewards of the batch: of its tokens, or as text where the reward model reads others."""
        if self.reader is None:
            return self.reward.forward(batch)
        limit = self.settings.max_prompt_tokens
        examples = data.reread(prompts, responses, self.tokenizer, self.reader, limit)
        scores = score_all(self.reward, self.reader, examples, self.settings.minibatch_size)
        return scores.to(self.policy.device)

    def learn(self, rollout: Rollout, iteration: int) -> dict[str, float]:
        """Update policy, value model and average from a rollout; returns what the updates looked like."""
        settings = self.settings
        scores = rollout.scores - settings.eos_penalty * rollout.cut_off
        rewards = token_rewards(
            scores, rollout.log_probs, rollout.reference, rollout.mask, self.kl_coefficient
        )
        advantages, returns = gae(rewards, rollout.values, rollout.mask, settings.gamma, settings.gae_lambda)
        if settings.whiten_advantages:
            advantages = whiten(advantages, rollout.mask)
        self._train_mode(settings.gradient_checkpointing)
        figures: list[dict[str, float]] = []
        places = torch.arange(len(scores), device=scores.device)
        for epoch in range(settings.inner_epochs):
            order = uniform(keyed(self.seed, iteration, epoch, places)).argsort()
            for index in order.split(settings.minibatch_size):
                figures.append(self._update(rollout, advantages, returns, index))
        for schedule in self.schedules:
            schedule.step()
        self._follow()
        names = ("policy_loss", "value_loss", "entropy", "clip_fraction")
        means = {name: sum(line[name] for line in figures) / len(figures) for name in names}
        used = self.kl_coefficient
        if settings.kl_target:
            self.kl_coefficient = adapted_kl_coefficient(used, rollout.kl.mean().item(), settings.kl_target)
        # Sampling and scoring are one distribution, so the ratio is off by rounding alone: some 1e-6 in
        # float32, some hundredths in bfloat16.
        return {**means, "kl_coefficient": used, "first_ratio_error": figures[0]["ratio_error"]}

    def _update(
        self, rollout: Rollout, advantages: Tensor, returns: Tensor, index: Tensor
    ) -> dict[str, float]:
        settings, group = self.settings, self.group
        tokens = rollout.mask[index].sum()
        counted = len(index) > group.rank
        index = index[group.rank :: group.size] if counted else index[:1]
        batch = rollout.batch.rows(index)
        mask = batch.response_mask
        # Means are over the tokens of the whole minibatch: this process has so much of them.
        share = counted * mask.sum() / tokens
        width = slice(mask.shape[1])
        old, old_values = rollout.log_probs[index, width], rollout.values[index, width]

        with autocast(settings, batch.ids.device):
            logits = self.spread_policy(response_logits, batch, settings.temperature)
        log_probs = log_probs_of(logits, batch.responses)
        surrogate, clipped = policy_loss(log_probs, old, advantages[index, width], mask, settings.clip)
        self.spread_policy.backward(surrogate * share)
        step(self.policy, self.policy_optimizer, settings.max_gradient_norm)

        with autocast(settings, batch.ids.device):
            values = self.spread_value(RewardModel.values, batch)
        error = value_loss(values, old_values, returns[index, width], mask, settings.value_clip)
        self.spread_value.backward(settings.value_coefficient * error * share)
        step(self.value, self.value_optimizer, settings.max_gradient_norm)

        with torch.no_grad():
            everywhere = logits.log_softmax(dim=-1)
            entropy = masked_mean(-(everywhere.exp() * everywhere).sum(dim=-1), mask)
            ratio_error = (((log_probs - old) * mask).exp() - 1).abs().max()
        figures = {
            "policy_loss": surrogate,
            "value_loss": error,
            "entropy": entropy,
            "clip_fraction": clipped,
        }
        means = group.sum(*((value * share).item() for value in figures.values()))
        worst = max(group.gather(ratio_error.item()))
        return {**dict(zip(figures, means, strict=True)), "ratio_error": worst}

    @torch.no_grad()
    def _follow(self) -> None:
        """Move the averaged weights, which are what is published, towards the policy's."""
        weight = 1 - self.settings.ema_decay
        for average, current in zip(self.average, trained(self.policy), strict=True):
            average.lerp_(current, weight)

    @torch.no_grad()
    def end(self) -> None:
        """Training is over: the policy takes the averaged weights."""
        for average, current in zip(self.average, trained(self.policy), strict=True):
            current.copy_(average)

    def _train_mode(self, on: bool) -> None:
        """Dropout is off in either mode, but only in training mode are activations checkpointed."""
        self.policy.train(on)
        self.value.train(on)


def improve(run: Run) -> dict[str, Any]:
    settings = cast(PpoSettings, run.config.settings)

    # 1. The models. The value model reads the policy's tokens: it starts as the reward model, or where that
    # one reads others, as the policy with a fresh head.
    policy, tokenizer = load_policy(run.input("policy"))
    reward, reader = load_reward_model(run.input("reward"))
    alike = reads_alike(reader, tokenizer)
    value = copy.deepcopy(reward.first) if alike else new_reward_model(run.input("policy"))[0]
    place(policy, run.device)
    value.to(run.device)
    reward.to(run.device)
    reader_of_others = None if alike else reader
    trainer = Trainer(
        settings, policy, value, tokenizer, reward, reader_of_others, run.config.seed, run.group
    )

    # 2. The prompts. Held-out ones stay unseen.
    prompts = data.load_prompts(run.input("prompts.jsonl"), tokenizer, settings.max_prompt_tokens)
    train = [prompt for prompt in prompts if prompt.split == "train"]
    held_out = [prompt for prompt in prompts if prompt.split == "valid"]
    if not train:
        raise ContractError("prompts.jsonl: no prompt of the train split")
    if settings.batch_size < run.group.size:
        raise ContractError("settings.batch_size: an episode for each process at least")
    if settings.kl_target and not settings.kl_coefficient:
        raise ContractError("settings.kl_coefficient: must be above 0 for kl_target to steer it")

    # 3. Sample, score, learn.
    total = max(1, settings.episodes // settings.batch_size)
    queue = endless(train, random.Random(run.config.seed))
    for iteration in range(1, total + 1):
        rollout = trainer.roll_out([next(queue) for _ in range(settings.batch_size)], iteration)
        figures = trainer.learn(rollout, iteration)
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
    trainer.end()
    run.group.end()  # of several processes the first goes on alone
    parts = [
        trainer.roll_out(measured[start : start + settings.batch_size], total + 1 + start)
        for start in range(0, len(measured), settings.batch_size)
    ]
    kl = torch.cat([part.kl for part in parts])
    save_model(policy, tokenizer, run.outputs)
    return {
        "kl": kl.mean().item(),
        "kl_error": (kl.std() / len(kl) ** 0.5).item(),
        "score": torch.cat([part.scores for part in parts]).mean().item(),
        "length": torch.cat([part.mask.sum(dim=1) for part in parts]).mean().item(),
        "measured_on": "valid" if held_out else "train",
        "value_from": "reward" if alike else "policy",
        "kl_coefficient": trainer.kl_coefficient,
        "iterations": total,
        "episodes": total * settings.batch_size,
    }


def step(model: torch.nn.Module, optimizer: torch.optim.Optimizer, max_norm: float) -> None:
    torch.nn.utils.clip_grad_norm_(model.parameters(), max_norm)
    optimizer.step()
    optimizer.zero_grad()


def endless(prompts: Sequence[Prompt], shuffle: random.Random) -> Iterator[Prompt]:
    """Every prompt once in a random order, then again in another, for ever."""
    while True:
        yield from shuffle.sample(prompts, len(prompts))


if __name__ == "__main__":
    main("ppo", improve)
