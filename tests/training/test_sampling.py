"""Sampling and scoring are one distribution."""

from __future__ import annotations

import pytest
import torch
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from training.checkpoints import tiny_model
from training.contracts import BaseModel
from training.sampling import Samples, response_log_probs, sample, sample_all
from training.tokens import collate, tiny_tokenizer

PROMPTS = [[3, 40, 41, 42, 4], [3, 50, 4], [3, 60, 61, 4]]


@pytest.fixture(scope="module")
def tokenizer() -> PreTrainedTokenizerBase:
    return tiny_tokenizer()


@pytest.fixture(scope="module")
def model(tokenizer: PreTrainedTokenizerBase) -> PreTrainedModel:
    torch.manual_seed(0)
    return tiny_model(BaseModel(hidden_size=32, layers=2, heads=2), tokenizer, dropout=0.0).eval()


def draw(model: PreTrainedModel, **options: float | int) -> Samples:
    generator = torch.Generator().manual_seed(7)
    return sample(model, PROMPTS, end=1, pad=0, limit=6, generator=generator, **options)


@pytest.mark.parametrize("temperature", [1.0, 0.5])
def test_captured_log_probs_are_those_of_a_whole_forward(model: PreTrainedModel, temperature: float) -> None:
    samples = draw(model, temperature=temperature, copies=2)
    asked = [prompt for prompt in PROMPTS for _ in range(2)]
    scored = response_log_probs(model, collate(asked, samples.responses, 0), temperature)
    assert torch.allclose(scored, samples.log_probs, atol=1e-4)


def test_a_prompt_reads_the_same_alone_as_beside_longer_ones(model: PreTrainedModel) -> None:
    together = draw(model, temperature=0.0)
    for row, prompt in enumerate(PROMPTS):
        alone = sample(model, [prompt], end=1, pad=0, limit=6, generator=torch.Generator(), temperature=0.0)
        assert alone.responses[0] == together.responses[row]


def test_the_same_seed_draws_the_same_responses(model: PreTrainedModel) -> None:
    assert draw(model, copies=3).responses == draw(model, copies=3).responses


def test_a_small_nucleus_is_greedy(model: PreTrainedModel) -> None:
    assert draw(model, top_p=1e-6).responses == draw(model, temperature=0.0).responses


def test_nothing_is_drawn_after_the_end_token(tokenizer: PreTrainedTokenizerBase) -> None:
    torch.manual_seed(1)
    flat = tiny_model(BaseModel(hidden_size=8, layers=1, heads=1), tokenizer, dropout=0.0).eval()
    generator = torch.Generator().manual_seed(0)
    samples = sample(flat, [[3, 4]] * 400, end=1, pad=0, limit=20, generator=generator)
    ended = [response for response in samples.responses if response[-1] == 1]
    assert ended
    assert all(1 not in response[:-1] for response in samples.responses)
    assert samples.finished.sum() == len(ended)
    assert samples.log_probs[samples.mask == 0].abs().sum() == 0


def test_every_prompt_gets_its_copies(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase) -> None:
    prompts = [[3, 4], [3, 9, 9, 4], [3, 9, 4], [3, 8, 4], [3, 7, 4]]
    drawn = sample_all(
        model, tokenizer, prompts, limit=3, batch_size=4, generator=torch.Generator(), copies=2
    )
    parts = [(indices, len(samples.responses)) for indices, samples in drawn]
    assert sorted(index for indices, _ in parts for index in indices) == [0, 1, 2, 3, 4]
    assert [count for _, count in parts] == [4, 4, 2]
