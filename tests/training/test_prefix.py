"""A prompt read once for all its completions scores and teaches as if it were read for each."""

from __future__ import annotations

import shutil

import pytest
import torch
from torch import Tensor
from torch.nn.attention.flex_attention import create_mask
from transformers import (
    AutoModel,
    BloomConfig,
    GPT2Config,
    LlamaConfig,
    MambaConfig,
    MistralConfig,
    MptConfig,
    PretrainedConfig,
    T5Config,
)

from training import prefix
from training.data import Item
from training.reward_losses import kwise_loss, kwise_pairs
from training.reward_model import RewardModel
from training.tokens import collate

SMALL = {"vocab_size": 50, "hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4}
WINDOW = 8
CONFIGS: dict[str, PretrainedConfig] = {
    "gpt2": GPT2Config(vocab_size=50, n_embd=32, n_layer=2, n_head=4, n_positions=64),
    "llama": LlamaConfig(**SMALL, intermediate_size=64, num_key_value_heads=2),
    "sliding window": MistralConfig(
        **SMALL, intermediate_size=64, num_key_value_heads=2, sliding_window=WINDOW
    ),
    "alibi": BloomConfig(vocab_size=50, hidden_size=32, n_layer=2, n_head=4),
    "alibi by row length": MptConfig(vocab_size=50, d_model=32, n_layers=2, n_heads=4, max_seq_len=64),
    "recurrent": MambaConfig(vocab_size=50, hidden_size=32, num_hidden_layers=2, state_size=4),
}
SAFE = ("gpt2", "llama")
LIMIT = 4096


def model_of(config: PretrainedConfig) -> RewardModel:
    torch.manual_seed(0)
    model = RewardModel(AutoModel.from_config(config)).eval()
    # Some families start their states near 0, where any two forms look alike.
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.dim() > 1:
                parameter.copy_(torch.randn_like(parameter) * parameter.shape[-1] ** -0.5)
    return model


def item(prompt: int, *responses: int, seed: int = 0) -> Item:
    draw = torch.Generator().manual_seed(seed)
    texts = [torch.randint(2, 50, (length,), generator=draw).tolist() for length in (prompt, *responses)]
    return Item(f"p{seed}", "train", texts[0], texts[1:], [])


ITEMS = [item(12, 4, 7, 2, seed=1), item(5, 3, 3, seed=2), item(20, 1, 5, 6, 2, seed=3)]
ORDERS = [[(1, 2, 2)], [(2, 1), (1, 2)], [(4, 1, 3, 2)]]


def loss_and_gradient(model: RewardModel, limit: int) -> tuple[float, Tensor]:
    model.zero_grad()
    loss = kwise_loss(
        prefix.score_items(model, ITEMS, pad=0, max_row_tokens=limit), kwise_pairs(ORDERS), torch.tensor(0.3)
    )
    loss.backward()
    gradients = [p.grad.flatten() for p in model.parameters() if p.grad is not None]
    return loss.item(), torch.cat(gradients)


@pytest.mark.parametrize("name", CONFIGS)
def test_loss_and_gradient_are_those_of_completions_read_apart(name: str) -> None:
    model = model_of(CONFIGS[name])
    sharing = prefix.try_sharing(model, ITEMS, pad=0, max_row_tokens=LIMIT)
    assert sharing.used == (name in SAFE), sharing
    loss, gradient = loss_and_gradient(model, LIMIT if sharing.used else 0)
    expected, apart = loss_and_gradient(model, 0)
    assert loss == pytest.approx(expected, abs=1e-5)
    assert (gradient - apart).norm() / apart.norm() < 1e-5


@pytest.mark.parametrize("name", ["sliding window", "alibi", "alibi by row length", "recurrent"])
def test_what_the_probe_turns_away_would_have_been_wrong(
    name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    model = model_of(CONFIGS[name])
    sharing = prefix.try_sharing(model, ITEMS, pad=0, max_row_tokens=LIMIT)
    assert sharing.difference is None or sharing.difference > 1e-3
    assert "Shared prefix is off: " in capsys.readouterr().err


def test_a_sliding_window_that_nothing_reaches_may_be_shared() -> None:
    short = [item(4, 2, 3, WINDOW - 4, seed=4)]
    sharing = prefix.try_sharing(model_of(CONFIGS["sliding window"]), short, pad=0, max_row_tokens=LIMIT)
    assert sharing.used


def test_a_batch_scores_as_its_items_do_alone() -> None:
    model = model_of(CONFIGS["llama"])
    together = prefix.score_items(model, ITEMS, pad=0, max_row_tokens=LIMIT)
    alone = torch.cat([model(collate(*prefix.flatten([one]), 0)) for one in ITEMS])
    assert together.tolist() == pytest.approx(alone.tolist(), abs=1e-5)


def test_a_row_over_the_limit_is_read_apart_in_its_place() -> None:
    model = model_of(CONFIGS["llama"])
    limit = prefix.row_tokens(ITEMS[0])
    assert [prefix.pays(model.backbone, one, limit) for one in ITEMS] == [True, True, False]
    some = prefix.score_items(model, ITEMS, pad=0, max_row_tokens=limit)
    none = prefix.score_items(model, ITEMS, pad=0)
    assert some.tolist() == pytest.approx(none.tolist(), abs=1e-5)


def test_long_responses_to_a_short_prompt_are_not_worth_a_row() -> None:
    backbone = model_of(CONFIGS["llama"]).backbone
    # H = 32: a token costs 192. One row of 2 + 4 * 60 = 242: 242 * (192 + 242) = 105,028.
    # Apart, four of 62: 4 * 62 * (192 + 62) = 62,992.
    assert not prefix.pays(backbone, item(2, 60, 60, 60, 60), LIMIT)
    # One row of 60 + 4 * 30 = 180: 180 * 372 = 66,960. Apart, four of 90: 4 * 90 * 282 = 101,520.
    assert prefix.pays(backbone, item(60, 30, 30, 30, 30), LIMIT)


def test_a_row_is_the_prompt_and_its_responses_with_positions_that_restart() -> None:
    items = [
        Item("a", "train", [5, 6, 7], [[8, 9], [10]], []),
        Item("b", "train", [5], [[6], [7, 8]], []),
    ]
    rows = prefix.lay_out(items, pad=0)
    assert rows.ids.tolist() == [[5, 6, 7, 8, 9, 10], [5, 6, 7, 8, 0, 0]]
    assert rows.positions.tolist() == [[0, 1, 2, 3, 4, 3], [0, 1, 1, 2, 0, 0]]
    assert rows.segments.tolist() == [[0, 0, 0, 1, 1, 2], [0, 1, 2, 2, -1, -1]]
    assert rows.last.tolist() == [[0, 4], [0, 5], [1, 1], [1, 3]]


def test_a_response_sees_the_prompt_and_itself() -> None:
    mask = prefix.dense_mask(torch.tensor([[0, 0, 1, 1, 2, -1]]))
    assert mask[0, 0].int().tolist() == [
        [1, 0, 0, 0, 0, 0],
        [1, 1, 0, 0, 0, 0],
        [1, 1, 1, 0, 0, 0],
        [1, 1, 1, 1, 0, 0],
        [1, 1, 0, 0, 1, 0],
        [1, 1, 0, 0, 0, 1],
    ]


def test_the_mask_function_of_flex_attention_is_the_dense_mask() -> None:
    segments = prefix.lay_out(ITEMS, pad=0).segments
    batch, width = segments.shape
    made = create_mask(prefix.visible(segments), batch, 1, width, width, device="cpu")
    assert made.shape == (batch, 1, width, width)
    assert made.equal(prefix.dense_mask(segments))


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("g++") is None, reason="torch compiles FlexAttention for a CPU with it")
def test_flex_attention_scores_as_completions_read_apart() -> None:
    model = model_of(CONFIGS["llama"])
    expected = prefix.score_items(model, ITEMS, pad=0)
    model.backbone.set_attn_implementation("flex_attention")
    with torch.no_grad():
        scores = prefix.score_items(model, ITEMS, pad=0, max_row_tokens=LIMIT)
    assert scores.tolist() == pytest.approx(expected.tolist(), abs=1e-5)


def test_eager_attention_gets_a_mask_to_add() -> None:
    model = model_of(CONFIGS["llama"])
    model.backbone.set_attn_implementation("eager")
    assert prefix.probe(model, ITEMS[0], pad=0) < 1e-5


def test_the_probe_leaves_dropout_and_mode_as_they_were() -> None:
    config = GPT2Config(vocab_size=50, n_embd=32, n_layer=2, n_head=4, n_positions=64, resid_pdrop=0.5)
    model = RewardModel(AutoModel.from_config(config)).train()
    assert prefix.probe(model, ITEMS[0], pad=0) < 1e-5
    assert model.training


def test_a_half_precision_model_is_probed_in_float32() -> None:
    model = model_of(CONFIGS["llama"]).to(torch.bfloat16)
    assert prefix.probe(model, ITEMS[0], pad=0) < 1e-5
    assert model.head.weight.dtype == torch.bfloat16


def test_an_encoder_reads_a_prompt_once_for_all_its_responses() -> None:
    config = T5Config(
        vocab_size=50, d_model=32, d_kv=8, d_ff=64, num_layers=2, num_heads=4, decoder_start_token_id=0
    )
    model = model_of(config)
    shared = prefix.shared_states(model.backbone, ITEMS, pad=0)
    apart = []
    for one in ITEMS:
        for response in one.responses:
            out = model.backbone(
                input_ids=torch.tensor([one.prompt]), decoder_input_ids=torch.tensor([[0, *response]])
            )
            apart.append(out.last_hidden_state[0, -1])
    expected = torch.stack(apart)
    assert shared.shape == (9, 32)
    assert torch.allclose(shared, expected, atol=1e-5)
    parameters = list(model.backbone.parameters())
    ours = torch.autograd.grad(shared.square().mean(), parameters)
    theirs = torch.autograd.grad(expected.square().mean(), parameters)
    assert all(torch.allclose(a, b, atol=1e-5) for a, b in zip(ours, theirs, strict=True))
