"""The mathematics of policies as pure functions of tensors; reward_losses.py has the reward model's.

Sources: Ouyang et al. 2022 (InstructGPT, arXiv 2203.02155), Schulman et al. 2016 (GAE, arXiv 1506.02438)
and 2017 (PPO, arXiv 1707.06347), Ziegler et al. 2019 (adaptive KL, arXiv 1909.08593), Ahmadian et al. 2024
(RLOO, arXiv 2402.14740), Shao et al. 2024 (GRPO, arXiv 2402.03300). `mask` is 1 at response tokens; a mean is
over those.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy
from torch.utils.checkpoint import checkpoint

# How fast an adaptive KL coefficient moves, and how far off the KL may seem to it (Ziegler et al. 2019, 2.2).
KL_GAIN = 0.1
KL_ERROR_LIMIT = 0.2
# Added to a group's standard deviation, so that scores that differ by rounding alone stay near 0.
GROUP_EPSILON = 1e-4
CHUNK = 2048
"""Positions whose logits are in memory at once."""


def masked_mean(values: Tensor, mask: Tensor) -> Tensor:
    return (values * mask).sum() / mask.sum().clamp(min=1)


def whiten(values: Tensor, mask: Tensor) -> Tensor:
    """Shift and scale to mean 0 and standard deviation 1 over the mask; 0 elsewhere."""
    centred = (values - masked_mean(values, mask)) * mask
    return centred / (masked_mean(centred.square(), mask) + 1e-8).sqrt()


def scale(values: Tensor, mask: Tensor) -> Tensor:
    """Divide by the standard deviation over the mask. The mean stays, so that no reward changes its sign."""
    centred = (values - masked_mean(values, mask)) * mask
    return values * mask / (masked_mean(centred.square(), mask) + 1e-8).sqrt()


def token_rewards(
    scores: Tensor, log_probs: Tensor, reference: Tensor, mask: Tensor, kl_coefficient: float
) -> Tensor:
    """Per-token reward [B, R]: -beta (log pi - log pi_reference), and the score [B] at the last token."""
    rewards = -kl_coefficient * (log_probs - reference) * mask
    last = mask.sum(dim=1, keepdim=True).long() - 1
    return rewards.scatter_add(1, last, scores.unsqueeze(1))


def adapted_kl_coefficient(coefficient: float, kl: float, target: float) -> float:
    """The next iteration's beta, steered in proportion to how far `kl` (nats a response) is off its target.

    beta (1 + 0.1 clip((KL - target) / target, -0.2, 0.2)): Ziegler et al. 2019, section 2.2.
    """
    error = max(-KL_ERROR_LIMIT, min(KL_ERROR_LIMIT, (kl - target) / target))
    return coefficient * (1 + KL_GAIN * error)


def gae(
    rewards: Tensor, values: Tensor, mask: Tensor, gamma: float, gae_lambda: float
) -> tuple[Tensor, Tensor]:
    """Generalised advantage estimation; returns (advantages, returns), both [B, R].

    A response ends the episode: nothing is worth anything after its last token.
    """
    advantages = torch.zeros_like(rewards)
    following_advantage = following_value = rewards.new_zeros(len(rewards))
    for step in reversed(range(rewards.shape[1])):
        here = mask[:, step]
        delta = rewards[:, step] + gamma * following_value - values[:, step]
        following_advantage = (delta + gamma * gae_lambda * following_advantage) * here
        following_value = values[:, step] * here
        advantages[:, step] = following_advantage
    return advantages, (advantages + values) * mask


def rloo(rewards: Tensor, group: int) -> Tensor:
    """[N] each response's reward less the mean of the others to its prompt: REINFORCE leave-one-out.

    Every `group` rows, at least 2, share a prompt. Rewards are of whole responses, their KL penalty included:
    score - beta (log pi(y|x) - log pi_reference(y|x)), Ahmadian et al. 2024.
    """
    groups = rewards.view(-1, group)
    return ((groups - groups.mean(dim=1, keepdim=True)) * (group / (group - 1))).flatten()


def grpo(scores: Tensor, group: int) -> Tensor:
    """[N] each score in standard deviations (of the population) from the mean of those to its prompt.

    Every `group` rows, at least 2, share a prompt: Shao et al. 2024, section 4.1.2. Scores come without a KL
    penalty, which would be scaled by another number for each prompt: `kl_loss` is what holds the policy.
    """
    groups = scores.view(-1, group)
    centred = groups - groups.mean(dim=1, keepdim=True)
    deviation = centred.square().mean(dim=1, keepdim=True).sqrt()
    return (centred / (deviation + GROUP_EPSILON)).flatten()


def kl_loss(log_probs: Tensor, reference: Tensor, mask: Tensor) -> Tensor:
    """Mean nats a token between policy and reference, by an estimate that is never below 0.

    pi_reference / pi - log(pi_reference / pi) - 1: Shao et al. 2024, equation 4.
    """
    ahead = (reference - log_probs) * mask
    return masked_mean(ahead.exp() - ahead - 1, mask)


def policy_loss(
    log_probs: Tensor, old_log_probs: Tensor, advantages: Tensor, mask: Tensor, clip: float
) -> tuple[Tensor, Tensor]:
    """PPO's clipped surrogate, equation 7; returns (loss, share of tokens where the clip held)."""
    ratio = ((log_probs - old_log_probs) * mask).exp()
    free = -advantages * ratio
    clipped = -advantages * ratio.clamp(1 - clip, 1 + clip)
    return masked_mean(torch.maximum(free, clipped), mask), masked_mean((clipped > free).float(), mask)


def value_loss(values: Tensor, old_values: Tensor, returns: Tensor, mask: Tensor, clip: float) -> Tensor:
    """Half the squared error, the new value held within `clip` of the old where that is the worse."""
    near = old_values + (values - old_values).clamp(-clip, clip)
    error = torch.maximum((values - returns).square(), (near - returns).square())
    return 0.5 * masked_mean(error, mask)


def chunked_nats(states: Tensor, output: Callable[[Tensor], Tensor], targets: Tensor) -> Tensor:
    """[N] -log p(target) from the states [N, H] that predict them, through the output layer.

    Logits are N times the vocabulary, mostly the largest tensor of all: only those of CHUNK positions exist
    at a time, and the backward pass computes them again, a third more work in that one layer.
    """

    def nats(some: Tensor, wanted: Tensor) -> Tensor:
        return cross_entropy(output(some).float(), wanted, reduction="none")

    parts = zip(states.split(CHUNK), targets.split(CHUNK), strict=True)
    return torch.cat([checkpoint(nats, *part, use_reentrant=False) for part in parts])
