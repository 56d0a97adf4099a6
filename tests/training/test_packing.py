"""Packed examples teach what they teach apart."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import Tensor
from transformers import AutoModelForCausalLM, PretrainedConfig, PreTrainedModel

from tests.training import models
from tests.training.models import ATTENTIONS as CONFIGS
from tests.training.models import SAFE, WINDOW
from training import packing
from training.data import Example
from training.families import response_logits
from training.sampling import log_probs_of
from training.tokens import collate


def model_of(config: PretrainedConfig) -> PreTrainedModel:
    torch.manual_seed(0)
    return models.spread(AutoModelForCausalLM.from_config(copy.deepcopy(config)).eval())


def example(prompt: int, response: int, seed: int) -> Example:
    draw = torch.Generator().manual_seed(seed)
    ids = torch.randint(2, 50, (prompt + response,), generator=draw).tolist()
    return Example(ids[:prompt], ids[prompt:])


# Two of like length, which attend at once; one of a single prompt token, one of a single response token.
EXAMPLES = [example(12, 4, 1), example(1, 6, 2), example(9, 7, 3), example(5, 1, 4), example(3, 2, 5)]


def gradient(model: PreTrainedModel) -> Tensor:
    return torch.cat([p.grad.flatten() for p in model.parameters() if p.grad is not None])


def test_rows_are_filled_by_the_first_that_has_room_the_longest_first() -> None:
    examples = [example(length - 1, 1, length) for length in (4, 8, 1, 4, 2, 1)]
    rows = [[len(one.prompt) + 1 for one in row] for row in packing.pack(examples, 10)]
    assert rows == [[8, 2], [4, 4, 1, 1]]


def test_an_example_longer_than_a_row_has_one_of_its_own() -> None:
    rows = packing.pack([example(3, 2, 0), example(20, 5, 1), example(4, 1, 2)], 10)
    assert [len(row) for row in rows] == [1, 2]


def test_a_row_is_its_examples_end_to_end_with_positions_that_restart() -> None:
    row = packing.lay_out([Example([5], [6]), Example([7, 8], [9, 10])])
    assert row.ids.tolist() == [[7, 8, 9, 10, 5, 6]]
    assert row.positions.tolist() == [[0, 1, 2, 3, 0, 1]]
    assert row.before.tolist() == [1, 2, 4]
    assert row.targets.tolist() == [9, 10, 6]
    assert row.lengths == [4, 2]


@pytest.mark.parametrize("checkpointing", [False, True], ids=["", "checkpointed"])
@pytest.mark.parametrize("name", SAFE)
def test_loss_and_gradient_are_those_of_examples_apart(name: str, checkpointing: bool) -> None:
    model = model_of(CONFIGS[name])
    batch = collate([one.prompt for one in EXAMPLES], [one.response for one in EXAMPLES], pad=0)
    apart = -(log_probs_of(response_logits(model, batch), batch.responses) * batch.response_mask).sum()
    apart.backward()
    expected = gradient(model)
    model.zero_grad()

    assert packing.try_packing(model, EXAMPLES, pad=0).used
    if checkpointing:
        model.train().activation_checkpointing_enable({"use_reentrant": False})
    total = 0.0
    for row in packing.pack(EXAMPLES, 40):
        nats = -packing.packed_log_probs(model, packing.lay_out(row)).sum()
        nats.backward()
        total += nats.item()
    assert total / 20 == pytest.approx(apart.item() / 20, abs=1e-5)
    assert (gradient(model) - expected).norm() / expected.norm() < 1e-5


@pytest.mark.parametrize("name", [name for name in CONFIGS if name not in SAFE])
def test_what_packing_would_make_wrong_is_found_and_left_as_it_was(
    name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    model = model_of(CONFIGS[name])
    own = model.config._attn_implementation
    packed = packing.try_packing(model, EXAMPLES, pad=0)
    assert not packed.used
    assert packed.difference is None or packed.difference > 1e-2
    assert "Packing is off: " in capsys.readouterr().err
    assert model.config._attn_implementation == own


def test_a_sliding_window_that_nothing_reaches_may_be_packed() -> None:
    model = model_of(CONFIGS["sliding window"])
    assert packing.try_packing(model, [example(4, 3, 1), example(2, WINDOW - 3, 2)], pad=0).used


def test_a_model_that_attends_apart_reads_padded_batches_as_before() -> None:
    model = model_of(CONFIGS["llama"])
    batch = collate([one.prompt for one in EXAMPLES], [one.response for one in EXAMPLES], pad=0)
    before = response_logits(model, batch)
    assert packing.try_packing(model, EXAMPLES, pad=0).used
    assert response_logits(model, batch).equal(before)


def test_an_encoder_decoder_is_not_packed() -> None:
    assert not packing.try_packing(models.build("t5"), EXAMPLES, pad=0).used
