"""Sampling and scoring are one distribution."""

from __future__ import annotations

import pytest
import torch
from transformers import GenerationConfig, PreTrainedModel, PreTrainedTokenizerBase

from tests.training.models import FAMILIES, build
from training.checkpoints import tiny_model
from training.contracts import BaseModel, Message
from training.data import Prompt
from training.sampling import Samples, response_log_probs, sample, sample_all
from training.tokens import collate, tiny_tokenizer

PROMPTS = [[3, 40, 41, 42, 4], [3, 50, 4], [3, 60, 61, 4]]


@pytest.fixture(scope="module")
def tokenizer() -> PreTrainedTokenizerBase:
    return tiny_tokenizer()


@pytest.fixture(scope="module", params=FAMILIES)
def model(request: pytest.FixtureRequest) -> PreTrainedModel:
    return build(request.param)


@pytest.fixture(scope="module")
def llama() -> PreTrainedModel:
    return build("llama")


def draw(model: PreTrainedModel, **options: float | int) -> Samples:
    return sample(model, PROMPTS, [11, 12, 13], end=1, pad=0, limit=6, seed=7, **options)


@pytest.mark.parametrize("temperature", [1.0, 0.5])
def test_captured_log_probs_are_those_of_a_whole_forward(model: PreTrainedModel, temperature: float) -> None:
    samples = draw(model, temperature=temperature, copies=2)
    asked = [prompt for prompt in PROMPTS for _ in range(2)]
    scored = response_log_probs(model, collate(asked, samples.responses, 0), temperature)
    assert torch.allclose(scored, samples.log_probs, atol=1e-4)


def test_a_response_is_the_same_in_whatever_company_it_is_drawn(model: PreTrainedModel) -> None:
    together = draw(model, copies=3).responses
    assert len(set(map(tuple, together))) == 9
    for row, prompt in enumerate(PROMPTS):
        alone = sample(model, [prompt], [11 + row], end=1, pad=0, limit=6, seed=7, copies=3)
        assert alone.responses == together[3 * row : 3 * row + 3]
    backwards = sample(model, PROMPTS[::-1], [13, 12, 11], end=1, pad=0, limit=6, seed=7)
    assert backwards.responses == [together[6], together[3], together[0]]


def test_seed_step_key_and_copy_each_change_what_is_drawn(llama: PreTrainedModel) -> None:
    def drawn(key: int = 1, seed: int = 1, step: int = 0) -> list[list[int]]:
        return sample(llama, [[3, 4]], [key], end=1, pad=0, limit=6, seed=seed, step=step, copies=2).responses

    same = drawn()
    assert same == drawn()
    assert same[0] != same[1]
    assert same[0] not in (*drawn(key=2), *drawn(seed=2), *drawn(step=1))


def test_batch_size_changes_no_response(llama: PreTrainedModel, tokenizer: PreTrainedTokenizerBase) -> None:
    asked = [Prompt(f"p{n}", "train", (Message("user", ""),), [3, *[40] * n, 4]) for n in range(6)]

    def responses(batch_size: int) -> dict[tuple[int, int], list[int]]:
        drawn = sample_all(llama, tokenizer, asked, limit=5, batch_size=batch_size, seed=3, copies=2)
        return {
            (index, copy): samples.responses[2 * place + copy]
            for indices, samples in drawn
            for place, index in enumerate(indices)
            for copy in range(2)
        }

    assert len(responses(4)) == 12
    assert responses(4) == responses(12) == responses(1)


def test_a_models_own_generation_defaults_are_not_asked(llama: PreTrainedModel) -> None:
    plain = draw(llama, copies=2)
    llama.generation_config = GenerationConfig(
        do_sample=True, top_k=1, temperature=0.1, repetition_penalty=9.0, forced_bos_token_id=5, min_length=6
    )
    assert draw(llama, copies=2).responses == plain.responses


def test_tokens_are_drawn_as_often_as_the_model_says() -> None:
    model = build("t5")
    keys = range(4000)
    samples = sample(model, [[3, 4]] * 4000, keys, end=1, pad=0, limit=1, seed=1)
    likely = response_log_probs(model, collate([[3, 4]] * 261, [[word] for word in range(261)], 0)).exp()
    counts = torch.bincount(samples.tokens[:, 0], minlength=261)
    # Chi-squared over 261 tokens has mean 260 and standard deviation 23.
    statistic = ((counts - 4000 * likely[:, 0]).square() / (4000 * likely[:, 0])).sum()
    assert statistic.item() == pytest.approx(260, abs=80)


def test_a_small_nucleus_is_greedy(llama: PreTrainedModel) -> None:
    assert draw(llama, top_p=1e-6).responses == draw(llama, temperature=0.0).responses


def test_nothing_is_drawn_after_the_end_token(tokenizer: PreTrainedTokenizerBase) -> None:
    torch.manual_seed(1)
    flat = tiny_model(BaseModel(hidden_size=8, layers=1, heads=1), tokenizer, dropout=0.0).eval()
    samples = sample(flat, [[3, 4]] * 400, range(400), end=1, pad=0, limit=20, seed=0)
    ended = [response for response in samples.responses if response[-1] == 1]
    assert ended
    assert all(1 not in response[:-1] for response in samples.responses)
    assert samples.finished.sum() == len(ended)
    assert samples.log_probs[samples.mask == 0].abs().sum() == 0


def test_every_prompt_gets_its_copies(llama: PreTrainedModel, tokenizer: PreTrainedTokenizerBase) -> None:
    ids = [[3, 4], [3, 9, 9, 4], [3, 9, 4], [3, 8, 4], [3, 7, 4]]
    asked = [Prompt(f"p{n}", "train", (), tokens) for n, tokens in enumerate(ids)]
    drawn = sample_all(llama, tokenizer, asked, limit=3, batch_size=4, seed=0, copies=2)
    parts = [(indices, len(samples.responses)) for indices, samples in drawn]
    assert sorted(index for indices, _ in parts for index in indices) == [0, 1, 2, 3, 4]
    assert [count for _, count in parts] == [4, 4, 2]
