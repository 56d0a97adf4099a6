"""Noise that is looked up by its coordinates."""

from __future__ import annotations

import pytest
import torch
from torch import tensor

from training.noise import keyed, name_key, uniform
from training.sampling import inverse_cdf


def bits(key: torch.Tensor) -> int:
    return int(key) % 2**64


def test_one_coordinate_gives_what_splitmix64_publishes_for_that_seed() -> None:
    assert bits(keyed(0)) == 0xE220A8397B1DCDAF
    assert bits(keyed(1234567)) == 6457827717110365317


def test_a_number_is_the_upper_bits_of_its_key() -> None:
    # 0xE220A8397B1DC / 2^52, and half a step more.
    assert uniform(keyed(0)).item() == pytest.approx(0.8833108082136426, abs=1e-15)
    assert uniform(tensor([0, -1])).tolist() == [2.0**-53, 1 - 2.0**-53]


def test_coordinates_broadcast_and_each_changes_the_number() -> None:
    block = uniform(keyed(3, torch.arange(4).unsqueeze(1), torch.arange(5)))
    assert block.shape == (4, 5)
    assert block[2, 3] == uniform(keyed(3, 2, 3))
    assert len({*block.flatten().tolist(), *uniform(keyed(4, torch.arange(5))).tolist()}) == 25


def test_the_order_of_coordinates_counts() -> None:
    assert bits(keyed(1, 2)) != bits(keyed(2, 1))


def test_a_hundred_thousand_numbers_are_uniform_and_neighbours_do_not_go_together() -> None:
    numbers = uniform(keyed(7, torch.arange(1000).unsqueeze(1), torch.arange(100))).flatten()
    # Of 100,000 uniform numbers: mean 1/2 with s.e. 0.0009, variance 1/12 with s.e. 0.00024.
    assert numbers.mean().item() == pytest.approx(0.5, abs=0.003)
    assert numbers.var().item() == pytest.approx(1 / 12, abs=0.0008)
    # Chi-squared over 100 equal bins has mean 99 and standard deviation 14.
    counts = torch.histc(numbers, bins=100, min=0, max=1)
    assert ((counts - 1000).square() / 1000).sum().item() == pytest.approx(99, abs=45)
    pairs = torch.stack([numbers[:-1], numbers[1:]])
    assert torch.corrcoef(pairs)[0, 1].item() == pytest.approx(0, abs=0.01)


def test_a_name_is_one_number_for_ever() -> None:
    # SHA-256("abc") begins with ba7816bf8f01cfea; the coordinate is half of it.
    assert name_key("abc") == 0xBA7816BF8F01CFEA // 2


def test_an_index_is_drawn_where_the_running_sum_passes_the_number() -> None:
    weights = tensor([[0.0, 1.0, 0.0, 3.0, 0.0]]).expand(5, 5)
    numbers = tensor([1e-16, 0.2499, 0.25, 0.9, 1 - 2.0**-53], dtype=torch.float64)
    assert inverse_cdf(weights, numbers).tolist() == [1, 1, 3, 3, 3]


def test_draws_follow_the_distribution() -> None:
    weights = tensor([[0.1, 0.2, 0.3, 0.4]]).expand(20_000, 4)
    drawn = inverse_cdf(weights, uniform(keyed(5, torch.arange(20_000))))
    shares = (torch.bincount(drawn, minlength=4) / 20_000).tolist()
    # The standard error of a share is at most 0.0035.
    assert shares == pytest.approx([0.1, 0.2, 0.3, 0.4], abs=0.01)
