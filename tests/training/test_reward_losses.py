"""The reward model's mathematics, against numbers worked by hand."""

from __future__ import annotations

import math

import pytest
import torch
from torch import tensor

from training.reward_losses import (
    eta_of,
    kwise_loss,
    kwise_pairs,
    log_odds,
    log_tie,
    ordered_pairs,
    rho_from_tie_rate,
    tied_pairs,
)


def log_sigmoid(x: float) -> float:
    return -math.log1p(math.exp(-x))


def test_a_ranking_gives_its_pairs_and_its_ties() -> None:
    assert ordered_pairs((2, 1, 2)) == [(1, 0), (1, 2)]
    assert tied_pairs((2, 1, 2)) == [(0, 2)]


def test_the_k_wise_loss_of_three_completions_is_the_mean_over_three_pairs() -> None:
    loss = kwise_loss(tensor([2.0, 1.0, -1.0]), kwise_pairs([[(1, 2, 3)]]))
    # log sigmoid of the margins 1, 3, 2: -0.313262, -0.048587, -0.126928; their mean is -0.162926.
    assert loss.item() == pytest.approx(0.162926, abs=1e-6)


def test_a_dropped_tie_keeps_the_weight_of_k_completions() -> None:
    loss = kwise_loss(tensor([2.0, 1.0, -1.0]), kwise_pairs([[(1, 1, 2)]]))
    # Margins 3 and 2 alone, still divided by three: (0.048587 + 0.126928) / 3.
    assert loss.item() == pytest.approx(0.058505, abs=1e-6)


def test_a_tie_counts_as_one_of_the_three_pairs() -> None:
    loss = kwise_loss(tensor([2.0, 1.0, -1.0]), kwise_pairs([[(1, 1, 2)]]), eta=tensor(math.log(2)))
    # θ = 2. Wins: e^3 / (e^3 + 2) = 0.909442, e^2 / (e^2 + 2) = 0.786986.
    # Tie at d = 1: 3 e / ((e + 2) (1 + 2 e)) = 8.154845 / 30.370398 = 0.268513.
    expected = -(math.log(0.909442) + math.log(0.786986) + math.log(0.268513)) / 3
    assert loss.item() == pytest.approx(expected, abs=1e-5)


def test_the_rankings_of_an_item_share_its_weight() -> None:
    loss = kwise_loss(tensor([0.5, 0.0]), kwise_pairs([[(1, 2), (2, 1), (1, 2)]]))
    assert loss.item() == pytest.approx(-(2 * log_sigmoid(0.5) + log_sigmoid(-0.5)) / 3, abs=1e-6)


def test_a_batch_is_the_mean_of_its_items_whatever_their_k() -> None:
    scores = tensor([0.3, -0.2, 1.0, 0.0, 0.4])
    both = kwise_loss(scores, kwise_pairs([[(2, 1)], [(1, 2, 2)]]))
    first = kwise_loss(scores[:2], kwise_pairs([[(2, 1)]]))
    second = kwise_loss(scores[2:], kwise_pairs([[(1, 2, 2)]]))
    assert both.item() == pytest.approx((first.item() + second.item()) / 2, abs=1e-6)


def test_the_k_wise_gradient_is_that_of_the_pairs_by_hand() -> None:
    ranks = (3, 1, 4, 2)
    scores = tensor([0.1, -0.4, 0.9, 0.2], requires_grad=True)
    kwise_loss(scores, kwise_pairs([[ranks]])).backward()
    by_hand = scores.detach().clone().requires_grad_(True)
    total = by_hand.new_zeros(())
    for winner in range(4):
        for loser in range(4):
            if ranks[winner] < ranks[loser]:
                total = total - torch.sigmoid(by_hand[winner] - by_hand[loser]).log() / 6
    total.backward()
    assert scores.grad is not None
    assert by_hand.grad is not None
    assert scores.grad.tolist() == pytest.approx(by_hand.grad.tolist(), abs=1e-6)


def test_a_batch_of_dropped_ties_costs_nothing() -> None:
    assert kwise_loss(tensor([1.0, 2.0]), kwise_pairs([[(1, 1)]])).item() == 0


def test_a_margin_asks_for_a_lead_where_the_scores_agree_with_the_order() -> None:
    pairs = kwise_pairs([[(1, 2, 3)]], scores=[[(7, 4, 5)]], margin=0.5)
    # 7 against 4 and 7 against 5 agree; 4 over 5 contradicts the order, and asks for nothing.
    assert pairs.margins == [1.5, 1.0, 0.0]
    loss = kwise_loss(tensor([2.0, 1.0, -1.0]), pairs)
    expected = -(log_sigmoid(1 - 1.5) + log_sigmoid(3 - 1.0) + log_sigmoid(2)) / 3
    assert loss.item() == pytest.approx(expected, abs=1e-6)


def test_a_tie_has_no_margin() -> None:
    assert kwise_pairs([[(1, 1)]], scores=[[(7, 1)]], margin=1.0).margins == [0.0]


def test_win_loss_and_tie_are_everything_that_can_happen() -> None:
    d, eta = torch.linspace(-6, 6, 25, dtype=torch.float64), torch.tensor(0.7, dtype=torch.float64)
    total = torch.sigmoid(d - eta) + torch.sigmoid(-d - eta) + log_tie(d, eta).exp()
    assert total.tolist() == pytest.approx([1.0] * 25)


@pytest.mark.parametrize("eta", [1e-6, 1.0, 80.0])
def test_ties_that_never_and_that_always_happen_stay_finite(eta: float) -> None:
    scores, height = tensor([30.0, -30.0], requires_grad=True), tensor(eta, requires_grad=True)
    kwise_loss(scores, kwise_pairs([[(1, 1), (1, 2)]]), height).backward()
    assert scores.grad is not None
    assert height.grad is not None
    assert scores.grad.isfinite().all()
    assert height.grad.isfinite()


def test_the_odds_of_an_ordered_pair_sharpen_with_theta() -> None:
    # d = 1, θ = 2: P(first) = e / (e + 2) = 0.576117, P(second) = 1 / (1 + 2 e) = 0.155362.
    assert log_odds(tensor(1.0), math.log(2)).item() == pytest.approx(math.log(0.576117 / 0.155362), abs=1e-5)
    assert log_odds(tensor(1.0), 0.0).item() == pytest.approx(1.0)


def test_theta_starts_where_it_explains_the_tie_rate() -> None:
    eta = eta_of(tensor(rho_from_tie_rate(0.2), dtype=torch.float64))
    # (1 + 0.2) / (1 - 0.2) = 1.5
    assert eta.exp().item() == pytest.approx(1.5)
    assert log_tie(torch.zeros((), dtype=torch.float64), eta).exp().item() == pytest.approx(0.2)
    assert math.isfinite(rho_from_tie_rate(0.0))
    assert math.isfinite(rho_from_tie_rate(1.0))


def test_a_planted_theta_and_planted_scores_are_found_again() -> None:
    """20,000 rankings of two completions, drawn from Rao-Kupper with θ = 1.8 and d = 1."""
    draw = torch.Generator().manual_seed(0)
    eta, difference = math.log(1.8), 1.0
    win, loss = 1 / (1 + math.exp(eta - difference)), 1 / (1 + math.exp(eta + difference))
    outcomes = torch.multinomial(torch.tensor([win, loss, 1 - win - loss]), 20_000, True, generator=draw)
    ranks = [[(1, 2), (2, 1), (1, 1)][outcome] for outcome in outcomes.tolist()]
    pairs = kwise_pairs([ranks])
    scores, rho = torch.zeros(2, requires_grad=True), tensor(rho_from_tie_rate(0.05), requires_grad=True)
    optimizer = torch.optim.LBFGS([scores, rho], max_iter=50, line_search_fn="strong_wolfe")

    def closure() -> torch.Tensor:
        optimizer.zero_grad()
        loss = kwise_loss(scores, pairs, eta_of(rho))
        loss.backward()
        return loss

    optimizer.step(closure)
    assert eta_of(rho).exp().item() == pytest.approx(1.8, abs=0.05)
    assert (scores[0] - scores[1]).item() == pytest.approx(1.0, abs=0.05)
