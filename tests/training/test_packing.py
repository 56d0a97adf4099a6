"""Several examples in one row cost what they cost apart, and teach the same."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import Tensor
from torch.nn.attention.flex_attention import create_mask
from transformers import AutoModelForCausalLM, PreTrainedModel

from tests.training.models import build
from tests.training.test_prefix import CONFIGS, SAFE
from training import packing
from training.data import Example
from training.families import begin
from training.packing import Packing
from training.prefix import visible
from training.tokens import collate

LIMIT = 64
# ALiBi that counts columns is right as well: between two tokens of an example it counts the same.
RIGHT = (*SAFE, "alibi by row length")


def model_of(name: str) -> PreTrainedModel:
    torch.manual_seed(0)
    model: PreTrainedModel = AutoModelForCausalLM.from_config(copy.deepcopy(CONFIGS[name]))
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


@pytest.mark.parametrize("capacity", [0, LIMIT, None], ids=["dense, narrow", "dense, filled", "apart"])
@pytest.mark.parametrize("name", CONFIGS)
def test_loss_and_gradient_are_those_of_examples_read_apart(name: str, capacity: int | None) -> None:
    model = model_of(name)
    own = model.config._attn_implementation
    read = Packing(model, EXAMPLES, 0, LIMIT)
    assert read.sharing.used == (name in RIGHT), read.sharing
    assert (model.config._attn_implementation == packing.APART) == (name in SAFE)
    if capacity is not None:
        model.set_attn_implementation(own)
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


def test_examples_of_equal_length_attend_at_once_and_only_to_themselves() -> None:
    model = model_of("llama")
    some = [example(6, 3, 1), example(4, 5, 2), example(2, 1, 3)]
    read = Packing(model, some, 0, LIMIT)
    assert read.sharing.used
    packed = read.log_probs(model, some)
    alone = torch.cat([packing.unpacked_log_probs(model, [one], 0) for one in some])
    assert packed.tolist() == pytest.approx(alone.tolist(), abs=1e-5)


def test_a_model_that_attends_apart_writes_as_before() -> None:
    model = model_of("gpt2")
    prompts = collate([example.prompt for example in EXAMPLES], [[]] * len(EXAMPLES), 0)
    with torch.no_grad():
        before = begin(model, prompts, copies=1).logits
        assert Packing(model, EXAMPLES, 0, LIMIT).sharing.used
        assert begin(model, prompts, copies=1).logits.equal(before)


@pytest.mark.parametrize("name", CONFIGS)
def test_rows_are_read_without_padding_only_where_that_changes_nothing(name: str) -> None:
    model = model_of(name)
    own = model.config._attn_implementation
    with torch.no_grad():
        alone = torch.cat([packing.unpacked_log_probs(model, [one], 0) for one in EXAMPLES])
        packing.read_unpadded(model, EXAMPLES[0].prompt + EXAMPLES[0].response, 0)
        assert model.config._attn_implementation == (packing.APART if name in SAFE else own)
        together = packing.unpacked_log_probs(model, EXAMPLES, 0)
    assert together.tolist() == pytest.approx(alone.tolist(), abs=1e-5)


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


def test_packed_texts_have_the_states_of_each_alone() -> None:
    model = model_of("llama").base_model
    texts = [example(1, 4, seed=1), example(1, 2, seed=2), example(1, 6, seed=3)]
    with torch.no_grad():
        packed = packing.states_before(model, packing.lay_out(texts, [[0, 1], [2]], 0))
        alone = [
            model(input_ids=torch.tensor([text.prompt + text.response])).last_hidden_state[0, :-1]
            for text in texts
        ]
    assert packed.shape == (4 + 2 + 6, 32)
    assert torch.allclose(packed, torch.cat(alone), atol=1e-5)
