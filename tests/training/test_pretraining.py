"""The pretraining corpus: every chunk once an epoch, and losses that are per token."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
import torch

from tests.training.models import build, t5_tokenizer
from training.contracts import ContractError, PretrainingRow, row_bytes
from training.pretraining import Corpus, language_loss, row_losses
from training.tokens import Batch, tiny_tokenizer

END = 1
TEXTS = ("abcdefghijk", "xyz", "", "pq")


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("corpus") / "pretraining.jsonl"
    path.write_bytes(b"".join(row_bytes(PretrainingRow(text)) for text in TEXTS))
    return path


def texts(batch: Batch) -> list[str]:
    """Each row as text, the end token as a full stop."""
    tokenizer = tiny_tokenizer()
    rows = [ids[mask.bool()].tolist() for ids, mask in zip(batch.ids, batch.mask, strict=True)]
    return [tokenizer.decode(row).replace("<|end|>", ".") for row in rows]


def test_documents_end_and_long_ones_are_cut_into_like_lengths(path: Path) -> None:
    # Twelve tokens are three chunks of four, not 5 + 5 + 2; the empty text has nothing to predict.
    corpus = Corpus(path, tiny_tokenizer(), limit=5, seed=3, encoder_decoder=False)
    batch = corpus.batch(1, 5, pad=0, device="cpu")
    assert sorted(texts(batch)) == ["abcd", "efgh", "ijk.", "pq.", "xyz."]


def test_every_chunk_comes_once_an_epoch_in_another_order_settled_by_the_seed(path: Path) -> None:
    corpus = Corpus(path, tiny_tokenizer(), limit=5, seed=3, encoder_decoder=False)
    drawn = [text for step in range(1, 9) for text in texts(corpus.batch(step, 5, 0, "cpu"))]
    epochs = [drawn[at : at + 5] for at in range(0, 40, 5)]
    assert all(sorted(epoch) == sorted(epochs[0]) for epoch in epochs)
    assert len(set(map(tuple, epochs))) > 1
    # Steps of another size read the same sequence, and in whatever order they are asked for.
    assert texts(corpus.batch(4, 8, 0, "cpu")) == drawn[24:32]
    assert texts(corpus.batch(1, 8, 0, "cpu")) == drawn[:8]
    other = Corpus(path, tiny_tokenizer(), limit=5, seed=4, encoder_decoder=False)
    assert [text for step in range(1, 9) for text in texts(other.batch(step, 5, 0, "cpu"))] != drawn


def test_a_decoder_predicts_all_but_the_first_token_and_t5_the_second_half(path: Path) -> None:
    def lengths(encoder_decoder: bool) -> list[tuple[int, int]]:
        corpus = Corpus(path, tiny_tokenizer(), limit=9, seed=3, encoder_decoder=encoder_decoder)
        batch = corpus.batch(1, 4, 0, "cpu")
        read = batch.prompt_mask.sum(dim=1).tolist()
        return sorted(zip(read, batch.lengths.tolist(), strict=True))

    assert lengths(False) == [(1, 2), (1, 3), (1, 5), (1, 5)]
    assert lengths(True) == [(1, 2), (2, 2), (3, 3), (3, 3)]


def test_a_model_that_knows_nothing_is_off_by_the_logarithm_of_its_vocabulary(path: Path) -> None:
    for family in ("llama", "t5"):
        model = build(family)
        with torch.no_grad():
            for weight in model.parameters():
                weight.zero_()
        losses = row_losses(model, tiny_tokenizer(), path, limit=5)
        assert losses == pytest.approx([math.log(261)] * 3)


def test_row_losses_are_those_of_each_row_alone(path: Path) -> None:
    model = build("gpt2")
    losses = row_losses(model, tiny_tokenizer(), path, limit=5)
    corpus = Corpus(path, tiny_tokenizer(), limit=5, seed=3, encoder_decoder=False)
    batch = corpus.batch(1, 5, 0, "cpu")
    alone = {
        text: language_loss(model, batch.rows(torch.tensor([row]))).item()
        for row, text in enumerate(texts(batch))
    }
    # The first row's three chunks have three predicted tokens each.
    first = (alone["abcd"] + alone["efgh"] + alone["ijk."]) / 3
    assert losses == pytest.approx([first, alone["xyz."], alone["pq."]], abs=1e-5)


def test_the_loss_of_a_batch_is_a_mean_over_tokens_not_rows(path: Path) -> None:
    model = build("llama")
    corpus = Corpus(path, tiny_tokenizer(), limit=12, seed=3, encoder_decoder=False)
    whole = language_loss(model, corpus.batch(1, 3, 0, "cpu"))
    long, three, two = row_losses(model, tiny_tokenizer(), path, limit=12)
    assert whole.item() == pytest.approx((11 * long + 3 * three + 2 * two) / 16, abs=1e-5)


def test_a_tokenizer_that_ends_its_texts_ends_a_document_once(path: Path) -> None:
    tokenizer = t5_tokenizer("abcdefghijkpqxyz")
    corpus = Corpus(path, tokenizer, limit=64, seed=0, encoder_decoder=True)
    ends = [chunk.count(tokenizer.eos_token_id) for chunk in corpus.chunks]
    assert ends == [1] * len(ends)
    assert all(chunk[-1] == tokenizer.eos_token_id for chunk in corpus.chunks)


def test_a_corpus_without_text_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "pretraining.jsonl"
    path.write_bytes(row_bytes(PretrainingRow("")))
    with pytest.raises(ContractError, match="no text"):
        Corpus(path, tiny_tokenizer(), limit=8, seed=0, encoder_decoder=False)
