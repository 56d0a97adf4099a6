"""Several examples in one row cost what they cost apart, and teach the same."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor
from torch.nn.attention.flex_attention import create_mask
from transformers import AutoModelForCausalLM, PreTrainedModel

from tests.training.models import build
from tests.training.test_prefix import CONFIGS, SAFE
from training import packing
from training.data import Example
from training.packing import Packing
from training.prefix import visible

LIMIT = 64
# ALiBi that counts columns is right as well: between two tokens of an example it counts the same.
RIGHT = (*SAFE, "alibi by row length")


def model_of(name: str) -> PreTrainedModel:
    torch.manual_seed(0)
    model: PreTrainedModel = AutoModelForCausalLM.from_config(CONFIGS[name])
    # Some families start near 0, where any two forms look alike.
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.dim() > 1:
                parameter.copy_(torch.randn_like(parameter) * parameter.shape[-1] ** -0.5)
    model.train(False)
    return model


def example(prompt: int, response: int, seed: int) -> Example:
    draw = torch.Generator().manual_seed(seed)
    ids = torch.randint(2, 50, (prompt + response,), generator=draw).tolist()
    return Example(ids[:prompt], ids[prompt:])


EXAMPLES = [
    example(*sizes, seed) for seed, sizes in enumerate([(12, 6), (3, 2), (1, 1), (7, 3), (2, 9), (5, 1)])
]


def loss_and_gradient(model: PreTrainedModel, log_probs: Tensor) -> tuple[float, Tensor]:
    model.zero_grad()
    loss = -log_probs.mean()
    loss.backward()
    return loss.item(), torch.cat([p.grad.flatten() for p in model.parameters() if p.grad is not None])


@pytest.mark.parametrize("capacity", [0, LIMIT], ids=["as wide as the longest", "filled to the limit"])
@pytest.mark.parametrize("name", CONFIGS)
def test_loss_and_gradient_are_those_of_examples_read_apart(name: str, capacity: int) -> None:
    model = model_of(name)
    read = Packing(model, EXAMPLES, 0, LIMIT)
    assert read.sharing.used == (name in RIGHT), read.sharing
    read.capacity = capacity
    loss, gradient = loss_and_gradient(model, read.log_probs(model, EXAMPLES))
    expected, apart = loss_and_gradient(model, packing.unpacked_log_probs(model, EXAMPLES, 0))
    assert loss == pytest.approx(expected, abs=1e-5)
    assert (gradient - apart).norm() / apart.norm() < 1e-5


@pytest.mark.parametrize("name", ["sliding window", "alibi", "recurrent"])
def test_what_the_probe_turns_away_is_said(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    read = Packing(model_of(name), EXAMPLES, 0, LIMIT)
    assert read.sharing.difference is None or read.sharing.difference > 1e-3
    assert "Packing is off: " in capsys.readouterr().err


def test_a_batch_of_one_example_a_row_is_read_without_a_mask() -> None:
    model = model_of("llama")
    some = [example(6, 3, 1), example(4, 4, 2)]
    rows = packing.lay_out(some, [[0], [1]], 0)
    assert not rows.shared
    packed = packing.packed_log_probs(model, rows)
    assert packed.tolist() == pytest.approx(packing.unpacked_log_probs(model, some, 0).tolist(), abs=1e-5)


def test_an_encoder_decoder_and_packing_off_read_examples_apart() -> None:
    assert "encoder-decoder" in Packing(build("t5"), EXAMPLES, 0, LIMIT).sharing.why
    assert Packing(model_of("llama"), EXAMPLES, 0, 0).sharing.why == "turned off"


def test_rows_are_filled_with_the_longest_first() -> None:
    # 7 leaves 3, which 3 fills; 5 leaves 5, of which 4 leaves 1; 2 fits nowhere but alone.
    assert packing.first_fit_decreasing([4, 7, 2, 5, 3], 10) == [[1, 4], [3, 0], [2]]
    # What is longer than a row has one of its own.
    assert packing.first_fit_decreasing([3, 12, 3], 10) == [[1], [0, 2]]


def test_a_row_restarts_positions_and_tells_its_examples_apart() -> None:
    rows = packing.lay_out([Example([5, 6], [7]), Example([8], [9, 2]), Example([3], [4])], [[1, 0], [2]], 0)
    assert rows.ids.tolist() == [[8, 9, 2, 5, 6, 7], [3, 4, 0, 0, 0, 0]]
    assert rows.positions.tolist() == [[0, 1, 2, 0, 1, 2], [0, 1, 0, 0, 0, 0]]
    assert rows.segments.tolist() == [[1, 1, 1, 2, 2, 2], [1, 1, -1, -1, -1, -1]]
    assert rows.targets.tolist() == [7, 9, 2, 4]
    assert rows.before.tolist() == [[0, 4], [0, 0], [0, 1], [1, 0]]


def test_the_mask_function_of_flex_attention_keeps_examples_apart() -> None:
    segments = packing.lay_out(EXAMPLES, [[0, 4, 5], [3, 1, 2]], 0).segments
    batch, width = segments.shape
    made = create_mask(visible(segments), batch, 1, width, width, device="cpu")[:, 0]
    same = segments.unsqueeze(1) == segments.unsqueeze(2)
    assert made.equal(same & torch.ones(width, width, dtype=torch.bool).tril())
