"""The mathematics of policies, against numbers worked by hand."""

from __future__ import annotations

import pytest
import torch
from torch import tensor

from training import losses


def test_token_rewards_put_the_score_on_the_last_token() -> None:
    rewards = losses.token_rewards(
        scores=tensor([1.0, 2.0]),
        log_probs=tensor([[-1.0, -2.0, -1.0], [-1.0, 9.0, 9.0]]),
        reference=tensor([[-2.0, -1.0, -1.0], [-3.0, 0.0, 0.0]]),
        mask=tensor([[1.0, 1.0, 1.0], [1.0, 0.0, 0.0]]),
        kl_coefficient=0.1,
    )
    assert rewards.flatten().tolist() == pytest.approx([-0.1, 0.1, 1.0, 1.8, 0.0, 0.0])


def test_the_kl_coefficient_is_steered_in_proportion_and_within_bounds() -> None:
    # 10 % above the target: beta (1 + 0.1 * 0.1). Far off, the error counts as a fifth.
    assert losses.adapted_kl_coefficient(0.2, kl=6.6, target=6.0) == pytest.approx(0.202)
    assert losses.adapted_kl_coefficient(0.2, kl=60.0, target=6.0) == pytest.approx(0.204)
    assert losses.adapted_kl_coefficient(0.2, kl=0.0, target=6.0) == pytest.approx(0.196)


def test_gae_by_hand() -> None:
    advantages, returns = losses.gae(
        rewards=tensor([[0.0, 0.0, 1.0], [0.0, 2.0, 0.0]]),
        values=tensor([[0.5, 0.4, 0.6], [1.0, 0.5, 7.0]]),
        mask=tensor([[1.0, 1.0, 1.0], [1.0, 1.0, 0.0]]),
        gamma=1.0,
        gae_lambda=0.5,
    )
    # First row, from the end: delta 0.4; 0.6 - 0.4 + 0.5 * 0.4 = 0.4; 0.4 - 0.5 + 0.5 * 0.4 = 0.1.
    # Second row: its third token does not exist. 2 - 0.5 = 1.5; 0.5 - 1 + 0.5 * 1.5 = 0.25.
    assert advantages.flatten().tolist() == pytest.approx([0.1, 0.4, 0.4, 0.25, 1.5, 0.0])
    assert returns.flatten().tolist() == pytest.approx([0.6, 0.8, 1.0, 1.25, 2.0, 0.0])


def test_the_policy_loss_is_clipped_on_the_worse_side_only() -> None:
    old = torch.zeros(1, 4)
    log_probs = tensor([[1.5, 0.5, 1.5, 9.0]]).log()
    advantages = tensor([[1.0, 1.0, -1.0, 1.0]])
    mask = tensor([[1.0, 1.0, 1.0, 0.0]])
    loss, clipped = losses.policy_loss(log_probs, old, advantages, mask, clip=0.2)
    # -1.2 (clipped), -0.5 (not: clipping would flatter it), 1.5 (not); the fourth is padding.
    assert loss.item() == pytest.approx((-1.2 - 0.5 + 1.5) / 3)
    assert clipped.item() == pytest.approx(1 / 3)


def test_the_value_loss_takes_the_worse_of_clipped_and_free() -> None:
    loss = losses.value_loss(
        values=tensor([[1.0, 0.1]]),
        old_values=tensor([[0.0, 0.0]]),
        returns=tensor([[1.0, 1.0]]),
        mask=tensor([[1.0, 1.0]]),
        clip=0.2,
    )
    # Errors: free 0, clipped (0.2 - 1)^2 = 0.64; free and clipped (0.1 - 1)^2 = 0.81. Half their mean.
    assert loss.item() == pytest.approx(0.3625)


def test_whitening_sees_only_the_mask() -> None:
    white = losses.whiten(tensor([[1.0, 3.0, 100.0]]), tensor([[1.0, 1.0, 0.0]]))
    assert white.flatten().tolist() == pytest.approx([-1.0, 1.0, 0.0])


def test_nats_in_chunks_are_those_of_all_logits_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("training.losses.CHUNK", 3)
    torch.manual_seed(0)
    output = torch.nn.Linear(4, 10, bias=False)
    targets = torch.tensor([1, 9, 0, 3, 3, 7, 2])
    found = []
    for chunked in (True, False):
        states = torch.linspace(-1, 1, 28).view(7, 4).requires_grad_()
        if chunked:
            nats = losses.chunked_nats(states, output, targets)
        else:
            nats = -output(states).log_softmax(dim=-1)[range(7), targets]
        output.weight.grad = None
        (nats * torch.arange(7)).sum().backward()
        assert output.weight.grad is not None
        found.append((nats.detach(), states.grad, output.weight.grad.clone()))
    for ours, theirs in zip(*found, strict=True):
        assert torch.allclose(ours, theirs, atol=1e-6)


def test_scaling_keeps_the_sign_and_sees_only_the_mask() -> None:
    # Mean 2, standard deviation 1.
    scaled = losses.scale(tensor([[1.0, 3.0, 100.0]]), tensor([[1.0, 1.0, 0.0]]))
    assert scaled.flatten().tolist() == pytest.approx([1.0, 3.0, 0.0])
    # Mean 3, standard deviation 3.
    assert losses.scale(tensor([[0.0, 6.0]]), torch.ones(1, 2)).flatten().tolist() == pytest.approx(
        [0.0, 2.0]
    )


def test_rloo_compares_with_the_mean_of_the_others() -> None:
    # 1 - (2 + 6) / 2, 2 - (1 + 6) / 2, 6 - (1 + 2) / 2; another prompt has nothing to do with it.
    advantages = losses.rloo(tensor([1.0, 2.0, 6.0, 5.0, 5.0, 5.0]), 3)
    assert advantages.tolist() == pytest.approx([-3.0, -1.5, 4.5, 0.0, 0.0, 0.0])


def test_grpo_counts_in_the_groups_own_standard_deviations() -> None:
    # Mean 2, deviation 1; mean 20, deviation 10; alike.
    advantages = losses.grpo(tensor([1.0, 3.0, 30.0, 10.0, 5.0, 5.0]), 2)
    assert advantages.tolist() == pytest.approx([-1.0, 1.0, 1.0, -1.0, 0.0, 0.0], abs=2e-4)


def test_the_kl_loss_by_hand() -> None:
    # Ratios reference / policy of 1, 2 and 1/2: 0, 2 - log 2 - 1, 1/2 + log 2 - 1; the fourth is padding.
    ahead = tensor([[1.0, 2.0, 0.5, 8.0]]).log()
    loss = losses.kl_loss(torch.zeros(1, 4), ahead, tensor([[1.0, 1.0, 1.0, 0.0]]))
    assert loss.item() == pytest.approx((0.0 + 0.306853 + 0.193147) / 3, abs=1e-5)
