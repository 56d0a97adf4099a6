"""An iteration of PPO: sample responses and score them, then learn from them."""

from __future__ import annotations

import copy
import math
from collections import defaultdict
from collections.abc import Callable, Sequence

import torch
from torch import Tensor
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from training import data
from training.contracts import PpoSettings, Resources
from training.data import Prompt
from training.devices import Group
from training.families import response_logits
from training.losses import (
    adapted_kl_coefficient,
    gae,
    grpo,
    kl_loss,
    policy_loss,
    rloo,
    scale,
    token_rewards,
    value_loss,
    whiten,
)
from training.noise import keyed, uniform
from training.optimizer import adam, constant_from_tenth
from training.pretraining import Corpus, language_loss
from training.resume import Part
from training.reward import score_all
from training.reward_model import RewardModel, Scorer
from training.rollout import Rollout, by_length, episode_keys, gathered, in_parts
from training.sampling import response_log_probs, sample
from training.tokens import Batch, collate
from training.tuning import Average, adapters_off, autocast, trained, tune


class Trainer:
    """The models of PPO and one iteration of it: `roll_out`, then `learn`, which needs the rollout alone.

    With LoRA the reference is the policy with its adapters off, so that there is no second copy of it.
    """

    def __init__(
        self,
        settings: PpoSettings,
        policy: PreTrainedModel,
        value: RewardModel | None,
        tokenizer: PreTrainedTokenizerBase,
        reward: Scorer,
        reader: PreTrainedTokenizerBase | None,
        seed: int,
        corpus: Corpus | None = None,
        group: Group | None = None,
    ) -> None:
        """`value`: None for an estimator without one. `reader`: the tokenizer of a reward model that reads
        other tokens than the policy's, else None. `corpus`: what PPO-ptx learns beside."""
        self.settings, self.tokenizer, self.seed, self.corpus = settings, tokenizer, seed, corpus
        self.group = group = group or Group(Resources(), str(policy.device))
        self.reward, self.reader = reward.requires_grad_(False), reader
        self.reference = policy if settings.lora_rank else copy.deepcopy(policy).requires_grad_(False)
        self.policy, self.value = policy, value
        tune(policy, settings)
        self.spread_policy = group.spread(policy)
        self.average = Average(policy, settings.ema_decay)
        self.policy_optimizer = adam(trained(policy), settings.policy_learning_rate)
        self.schedules = [constant_from_tenth(self.policy_optimizer, settings.warmup_iterations)]
        if value is not None:
            tune(value.requires_grad_(True).backbone, settings)
            if value.rho is not None:
                value.rho.requires_grad_(False)  # of a reward model's ties: no value depends on it
            self.spread_value = group.spread(value)
            self.value_optimizer = adam(trained(value), settings.value_learning_rate)
            self.schedules.append(constant_from_tenth(self.value_optimizer, settings.warmup_iterations))
        self.kl_coefficient = settings.kl_coefficient

    @property
    def parts(self) -> dict[str, Part]:
        """All that a checkpoint holds but the KL coefficient; the reference is an input."""
        parts: dict[str, Part] = {
            "policy": self.policy,
            "average": self.average,
            "policy_optimizer": self.policy_optimizer,
            "policy_schedule": self.schedules[0],
        }
        if self.value is not None:
            parts |= {
                "value": self.value,
                "value_optimizer": self.value_optimizer,
                "value_schedule": self.schedules[1],
            }
        return parts

    @torch.no_grad()
    def roll_out(self, prompts: Sequence[Prompt], iteration: int, copies: int = 1) -> Rollout:
        """Sample `copies` responses to each prompt and score them.

        An episode's noise is keyed by the iteration, its prompt, the how-manieth of that prompt it is, and
        its copy. Of several processes each samples a share, and all learn from the whole.
        """
        settings, pad, group = self.settings, self.tokenizer.pad_token_id, self.group
        whole, keys = prompts, episode_keys(prompts)[group.rank :: group.size]
        prompts = prompts[group.rank :: group.size]
        self._train_mode(False)
        with autocast(settings, self.policy.device):
            samples = sample(
                self.policy,
                [prompt.ids for prompt in prompts],
                keys,
                end=self.tokenizer.eos_token_id,
                pad=pad,
                limit=settings.max_response_tokens,
                seed=self.seed,
                step=iteration,
                temperature=settings.temperature,
                copies=copies,
            )
            asked = [prompt for prompt in prompts for _ in range(copies)]
            responses = samples.responses
            batch = collate([prompt.ids for prompt in asked], responses, pad, self.policy.device)
            with adapters_off(self.reference):
                reference = self._read(
                    batch, lambda part: response_log_probs(self.reference, part, settings.temperature)
                )
            values = torch.zeros_like(reference)
            if self.value is not None:
                values = self._read(batch, self.value.values) * batch.response_mask
            own = Rollout(
                batch=batch,
                log_probs=samples.log_probs,
                reference=reference,
                values=values,
                scores=self._scores(asked, responses, batch),
                cut_off=~samples.finished,
            )
        if group.size == 1:
            return own
        return gathered(
            own, responses, [prompt.ids for prompt in whole for _ in range(copies)], copies, pad, group
        )

    def _scores(self, prompts: Sequence[Prompt], responses: Sequence[list[int]], batch: Batch) -> Tensor:
        """[N] rewards of the batch: of its tokens, or as text where the reward model reads others."""
        if self.reader is None:
            return self._read(batch, self.reward.forward)
        limit = self.settings.max_prompt_tokens
        examples = data.reread(prompts, responses, self.tokenizer, self.reader, limit)
        scores = score_all(self.reward, self.reader, examples, self.settings.minibatch_size)
        return scores.to(self.policy.device)

    def _read(self, batch: Batch, read: Callable[[Batch], Tensor]) -> Tensor:
        return in_parts(batch, self.settings.micro_batch_size or self.settings.minibatch_size, read)

    def learn(self, rollout: Rollout, iteration: int) -> dict[str, float]:
        """Update policy, value model and average from a rollout; returns what the updates looked like."""
        settings = self.settings
        advantages, returns = self._advantages(rollout)
        self._train_mode(settings.gradient_checkpointing)
        figures: list[dict[str, float]] = []
        places = torch.arange(len(advantages), device=advantages.device)
        minibatches = len(places.split(settings.minibatch_size))
        update = (iteration - 1) * settings.inner_epochs * minibatches
        for epoch in range(settings.inner_epochs):
            order = uniform(keyed(self.seed, iteration, epoch, places)).argsort()
            for index in order.split(settings.minibatch_size):
                update += 1
                figures.append(self._update(rollout, advantages, returns, index, update))
        for schedule in self.schedules:
            schedule.step()
        self.average.follow()
        means = {name: sum(line[name] for line in figures) / len(figures) for name in figures[0]}
        del means["ratio_error"]
        used = self.kl_coefficient
        if settings.kl_target:
            self.kl_coefficient = adapted_kl_coefficient(used, rollout.kl.mean().item(), settings.kl_target)
        # Sampling and scoring are one distribution, so the ratio is off by rounding alone: some 1e-6 in
        # float32, some hundredths in bfloat16.
        return {**means, "kl_coefficient": used, "first_ratio_error": figures[0]["ratio_error"]}

    def _advantages(self, rollout: Rollout) -> tuple[Tensor, Tensor]:
        """(advantages, returns), both [N, R], of the whole iteration; returns are for a value model."""
        settings, mask = self.settings, rollout.mask
        scores = rollout.scores - settings.eos_penalty * rollout.cut_off
        if settings.estimator == "grpo":
            return grpo(scores, settings.responses_per_prompt).unsqueeze(1) * mask, torch.zeros_like(mask)
        rewards = token_rewards(scores, rollout.log_probs, rollout.reference, mask, self.kl_coefficient)
        if settings.estimator == "rloo":
            whole = rloo(rewards.sum(dim=1), settings.responses_per_prompt)
            return whole.unsqueeze(1) * mask, torch.zeros_like(mask)
        if settings.whiten_rewards:
            rewards = scale(rewards, mask)
        advantages, returns = gae(rewards, rollout.values, mask, settings.gamma, settings.gae_lambda)
        return whiten(advantages, mask) if settings.whiten_advantages else advantages, returns

    def _update(
        self, rollout: Rollout, advantages: Tensor, returns: Tensor, index: Tensor, number: int
    ) -> dict[str, float]:
        """One step from the minibatch `index`, the run's `number`-th; gradients of its parts are added up."""
        settings, group = self.settings, self.group
        minibatch = rollout.batch.rows(index)
        figures: defaultdict[str, float] = defaultdict(float)
        ratio_errors = []
        size = settings.micro_batch_size or math.ceil(len(index) / group.size)
        for (places,), counted in group.parts(list(by_length(minibatch, size)), 1):
            rows, batch = index[places], minibatch.rows(places)
            mask, width = batch.response_mask, slice(batch.width)
            # Means are over the tokens of the whole minibatch: this part has so much of them.
            share = counted * (mask.sum() / minibatch.response_mask.sum()).item()
            old, old_values = rollout.log_probs[rows, width], rollout.values[rows, width]

            with autocast(settings, batch.ids.device):
                logits = self.spread_policy(response_logits, batch, settings.temperature)
            everywhere = logits.log_softmax(dim=-1)
            log_probs = batch.laid_out(everywhere.gather(1, batch.targets.unsqueeze(1)).squeeze(1))
            surrogate, clipped = policy_loss(log_probs, old, advantages[rows, width], mask, settings.clip)
            loss = surrogate
            if settings.estimator == "grpo":
                loss = surrogate + self.kl_coefficient * kl_loss(
                    log_probs, rollout.reference[rows, width], mask
                )
            self.spread_policy.backward(loss * share)
            with torch.no_grad():
                entropy = -(everywhere.exp() * everywhere).sum(dim=-1).mean()
                ratio_errors.append((((log_probs - old) * mask).exp() - 1).abs().max().item())
            part = {"policy_loss": surrogate, "entropy": entropy, "clip_fraction": clipped}

            if self.value is not None:
                with autocast(settings, batch.ids.device):
                    values = self.spread_value(RewardModel.values, batch)
                error = value_loss(values, old_values, returns[rows, width], mask, settings.value_clip)
                self.spread_value.backward(settings.value_coefficient * error * share)
                part["value_loss"] = error
            for name, mean in part.items():
                figures[name] += mean.item() * share

        if self.corpus is not None:
            figures["pretraining_loss"] = self._pretrain(self.corpus, len(index), number)
        step(self.policy, self.policy_optimizer, settings.max_gradient_norm)
        if self.value is not None:
            step(self.value, self.value_optimizer, settings.max_gradient_norm)
        summed = dict(zip(figures, group.sum(*figures.values()), strict=True))
        return {**summed, "ratio_error": max(group.gather(max(ratio_errors)))}

    def _pretrain(self, corpus: Corpus, episodes: int, number: int) -> float:
        """Add gamma times the gradients of the pretraining loss; returns the loss, nats a predicted token."""
        settings, pad = self.settings, self.tokenizer.pad_token_id
        size = episodes * settings.pretraining_per_episode
        batch = corpus.batch(number, size, pad, self.policy.device)
        total = 0.0
        size = settings.micro_batch_size or math.ceil(settings.minibatch_size / self.group.size)
        for (rows,), counted in self.group.parts(list(by_length(batch, size)), 1):
            part = batch.rows(rows)
            share = counted * (part.response_mask.sum() / batch.response_mask.sum()).item()
            with autocast(settings, batch.ids.device):
                loss = self.spread_policy(language_loss, part)
            self.spread_policy.backward(settings.pretraining_coefficient * loss * share)
            total += loss.item() * share
        return total

    def _train_mode(self, on: bool) -> None:
        """Dropout is off in either mode, but only in training mode are activations checkpointed."""
        self.policy.train(on)
        if self.value is not None:
            self.value.train(on)


def step(model: torch.nn.Module, optimizer: torch.optim.Optimizer, max_norm: float) -> None:
    torch.nn.utils.clip_grad_norm_(model.parameters(), max_norm)
    optimizer.step()
    optimizer.zero_grad()
