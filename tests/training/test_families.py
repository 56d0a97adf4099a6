"""Both kinds of language model behind one set of functions."""

from __future__ import annotations

from pathlib import Path
from unittest.mock import patch

import pytest
import torch
from transformers import (
    Gemma2Config,
    Gemma2ForCausalLM,
    GPT2Config,
    GPT2LMHeadModel,
    PreTrainedModel,
    T5Config,
    T5ForConditionalGeneration,
)

from tests.training.models import FAMILIES, WORDS, build, folder
from training.checkpoints import load_backbone, load_policy
from training.families import begin, response_logits, start_token, states
from training.reward_model import new_reward_model
from training.tokens import collate

PROMPTS = [[3, 40, 41, 42, 4], [3, 50, 4], [3, 60, 61, 4]]
RESPONSES = [[70, 71, 72, 1], [80, 1], [90, 91, 92]]


def by_row(logits: torch.Tensor) -> tuple[torch.Tensor, ...]:
    """[N, V] of RESPONSES, end to end, as one of each response."""
    return logits.split([len(response) for response in RESPONSES])


@pytest.fixture(scope="module", params=FAMILIES)
def model(request: pytest.FixtureRequest) -> PreTrainedModel:
    return build(request.param)


@torch.no_grad()
def test_reading_token_by_token_gives_the_logits_of_a_whole_forward(model: PreTrainedModel) -> None:
    whole = by_row(response_logits(model, collate(PROMPTS, RESPONSES, pad=0)))
    assert [row.shape for row in whole] == [(4, WORDS), (2, WORDS), (3, WORDS)]
    reader = begin(model, collate(PROMPTS, [[]] * 3, pad=0), copies=2)
    padded = torch.tensor([response + [0] * (4 - len(response)) for response in RESPONSES])
    for position in range(4):
        assert reader.logits.shape == (6, WORDS)
        for row, response in enumerate(RESPONSES):
            if position < len(response):
                for copy in (2 * row, 2 * row + 1):
                    assert torch.allclose(reader.logits[copy], whole[row][position], atol=1e-5)
        reader.read(padded[:, position].repeat_interleave(2))


@torch.no_grad()
def test_padding_changes_nothing(model: PreTrainedModel) -> None:
    together = by_row(response_logits(model, collate(PROMPTS, RESPONSES, pad=0)))
    for row, (prompt, response) in enumerate(zip(PROMPTS, RESPONSES, strict=True)):
        alone = response_logits(model, collate([prompt], [response], pad=0))
        assert torch.allclose(alone, together[row], atol=1e-5)


@pytest.mark.parametrize("family", FAMILIES)
@torch.no_grad()
def test_states_are_what_the_output_layer_reads(family: str, tmp_path: Path) -> None:
    """Entry t belongs to t response tokens, so the logits of the next token follow from it."""
    writer, _ = load_policy(folder(family, tmp_path))
    backbone, _ = load_backbone(tmp_path)
    batch = collate(PROMPTS, RESPONSES, pad=0)
    known = states(backbone, batch)
    assert known.shape == (3, 5, 32)
    if family == "t5":
        known = known * 32**-0.5
    logits = writer.get_output_embeddings()(known)[:, :-1][batch.response_mask.bool()]
    assert torch.allclose(logits, response_logits(writer, batch), atol=1e-5)


@torch.no_grad()
def test_a_t5_reward_is_one_reading_by_the_encoder_and_one_by_the_decoder(tmp_path: Path) -> None:
    reward, _ = new_reward_model(folder("t5", tmp_path))
    reward.bias.fill_(0.25)
    reward.scale.fill_(2.0)
    scores = reward(collate(PROMPTS, RESPONSES, pad=0))
    for row, (prompt, response) in enumerate(zip(PROMPTS, RESPONSES, strict=True)):
        encoded = reward.backbone.encoder(input_ids=torch.tensor([prompt])).last_hidden_state
        decoded = reward.backbone.decoder(
            input_ids=torch.tensor([[0, *response]]), encoder_hidden_states=encoded
        ).last_hidden_state
        by_hand = (decoded[0, -1] @ reward.head.weight[0] - 0.25) / 2
        assert scores[row].item() == pytest.approx(by_hand.item(), abs=1e-5)


def test_an_encoder_reads_a_prompt_once_for_all_its_completions() -> None:
    model = build("t5")
    responses = [*RESPONSES, [5], [6, 7]]
    batch = collate([PROMPTS[0]] * 3 + [PROMPTS[1]] * 2, responses, pad=0)
    with patch.object(model.encoder, "forward", wraps=model.encoder.forward) as encoder:
        shared = response_logits(model, batch).split([len(response) for response in responses])
    assert encoder.call_args.kwargs["input_ids"].shape == (2, 5)
    alone = [
        response_logits(model, collate([PROMPTS[row > 2]], [response], pad=0))
        for row, response in enumerate(responses)
    ]
    for row, logits in enumerate(alone):
        assert torch.allclose(shared[row], logits, atol=1e-5)
    # The encoder learns from every completion.
    weight = model.encoder.block[0].layer[0].SelfAttention.q.weight
    (together,) = torch.autograd.grad(sum(logits[0].square().sum() for logits in shared), weight)
    (apart,) = torch.autograd.grad(sum(logits[0].square().sum() for logits in alone), weight)
    assert (together - apart).norm() < 1e-5 * apart.norm()


def test_a_decoder_may_be_deeper_than_its_encoder() -> None:
    config = T5Config(vocab_size=50, d_model=16, d_kv=8, d_ff=16, num_layers=1, num_decoder_layers=3)
    model = T5ForConditionalGeneration(config).eval()
    with torch.no_grad():
        reader = begin(model, collate([[3, 4]], [[]], pad=0), copies=1)
        reader.read(torch.tensor([7]))
        whole = response_logits(model, collate([[3, 4]], [[7, 8]], pad=0))
    assert torch.allclose(reader.logits, whole[1:], atol=1e-5)


def test_a_t5_that_names_no_start_token_starts_with_its_pad_token() -> None:
    assert start_token(T5Config(pad_token_id=7)) == 7
    assert start_token(T5Config(pad_token_id=7, decoder_start_token_id=3)) == 3


def test_loading_turns_dropout_off_whatever_it_is_called(tmp_path: Path) -> None:
    config = GPT2Config(vocab_size=WORDS, n_embd=8, n_layer=1, n_head=1, resid_pdrop=0.5, attn_pdrop=0.5)
    with patch("tests.training.models.build", return_value=GPT2LMHeadModel(config)):
        folder("gpt2", tmp_path / "gpt2")
    folder("t5", tmp_path / "t5")
    folder("bart", tmp_path / "bart")
    for family in ("gpt2", "t5", "bart"):
        model = load_policy(tmp_path / family)[0].train()
        batch = collate(PROMPTS, RESPONSES, pad=0)
        assert torch.equal(response_logits(model, batch), response_logits(model, batch)), family


@torch.no_grad()
def test_what_a_model_does_to_its_logits_is_done_to_those_of_responses() -> None:
    """Gemma 2 caps its logits after the output layer; the log-probability is the capped one's."""
    torch.manual_seed(0)
    config = Gemma2Config(
        vocab_size=WORDS, hidden_size=32, intermediate_size=64, num_hidden_layers=2, num_attention_heads=2,
        num_key_value_heads=1, head_dim=16, final_logit_softcapping=0.02, pad_token_id=0,
    )  # fmt: skip
    model = Gemma2ForCausalLM(config).eval()
    own = model(input_ids=torch.tensor([PROMPTS[0] + RESPONSES[0]])).logits[0, 4:-1]
    found = by_row(response_logits(model, collate(PROMPTS, RESPONSES, pad=0)))[0]
    assert 0.015 < own.abs().max() <= 0.02
    assert torch.allclose(found, own, atol=1e-6)
