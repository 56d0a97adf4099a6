"""The pretraining corpus: what the mixes of SFT and PPO-ptx learn beside their own data (3.5, C.3, C.4).

A document is its text and an end token; it begins as its tokenizer begins a text (Llama's with a token of its
own). One that is longer than the limit is cut into chunks of like length; none shares a chunk with another.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from training.contracts import ContractError, PretrainingRow
from training.data import batches_by_length, load_rows
from training.families import response_logits
from training.noise import keyed, uniform
from training.sampling import log_probs_of, response_log_probs
from training.tokens import Batch, collate, encode_response

EVALUATED_AT_ONCE = 32
"""Chunks in one forward pass of `row_losses`."""


class Corpus:
    """Chunks of text in an order of their own each epoch, every chunk once.

    A decoder-only model predicts every token of a chunk but the first. Of an encoder-decoder the encoder
    reads the first half and the decoder predicts the second: prefix language modelling, as T5 was adapted to
    by Lester et al. 2021 (arXiv 2104.08691, 3.2).
    """

    def __init__(
        self,
        path: Path,
        tokenizer: PreTrainedTokenizerBase,
        limit: int,
        seed: int,
        *,
        encoder_decoder: bool,
    ) -> None:
        """Chunks of at most `limit` tokens. Raises ContractError if nothing can be learned from the file."""
        self.seed, self.encoder_decoder = seed, encoder_decoder
        self.chunks = [
            chunk for document in _documents(path, tokenizer) for chunk in _chunks(document, limit)
        ]
        if not self.chunks:
            raise ContractError(f"{path.name}: no text of two tokens or more")
        self._epoch, self._order = -1, list[int]()

    def batch(self, step: int, size: int, pad: int, device: torch.device | str) -> Batch:
        """The chunks of a step, which count from 1, `size` of them: settled by the seed and the step."""
        first = (step - 1) * size
        chosen = [self._chunk(place) for place in range(first, first + size)]
        return _collate(chosen, self.encoder_decoder, pad, device)

    def _chunk(self, place: int) -> list[int]:
        epoch, within = divmod(place, len(self.chunks))
        if epoch != self._epoch:
            places = torch.arange(len(self.chunks))
            self._epoch, self._order = epoch, uniform(keyed(self.seed, epoch, places)).argsort().tolist()
        return self.chunks[self._order[within]]


def language_loss(model: PreTrainedModel, batch: Batch) -> Tensor:
    """Mean nats a response token of the batch, a scalar."""
    return -log_probs_of(response_logits(model, batch), batch.targets).mean()


def row_losses(
    model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, path: Path, limit: int = 1024
) -> list[float]:
    """Mean nats a predicted token of each row of a held-out corpus, in its order, without gradients.

    The model is in evaluation mode. A row longer than `limit` is the mean over its chunks' tokens; one of
    fewer than two tokens is left out. Raises ContractError.
    """
    documents = [_chunks(document, limit) for document in _documents(path, tokenizer)]
    pieces = [(row, chunk) for row, chunks in enumerate(filter(None, documents)) for chunk in chunks]
    nats, tokens = [[0.0] * (1 + max((row for row, _ in pieces), default=-1)) for _ in range(2)]
    for indices in batches_by_length([len(chunk) for _, chunk in pieces], EVALUATED_AT_ONCE):
        batch = _collate(
            [pieces[index][1] for index in indices],
            model.config.is_encoder_decoder,
            tokenizer.pad_token_id,
            model.device,
        )
        sums = response_log_probs(model, batch).sum(dim=1).tolist()
        for index, log_prob, length in zip(indices, sums, batch.lengths.tolist(), strict=True):
            nats[pieces[index][0]] -= log_prob
            tokens[pieces[index][0]] += length
    return [total / count for total, count in zip(nats, tokens, strict=True)]


def _documents(path: Path, tokenizer: PreTrainedTokenizerBase) -> list[list[int]]:
    start = [token for token in tokenizer.encode("") if token != tokenizer.eos_token_id]
    rows = load_rows(path, PretrainingRow)
    return [start + encode_response(tokenizer, row.text, sys.maxsize) for row in rows]


def _chunks(document: Sequence[int], limit: int) -> list[list[int]]:
    """Chunks of like length, at most `limit`; one without a token to predict is left out."""
    size = math.ceil(len(document) / math.ceil(len(document) / limit))
    cut = [list(document[at : at + size]) for at in range(0, len(document), size)]
    return [chunk for chunk in cut if len(chunk) > 1]


def _collate(
    chunks: Sequence[list[int]], encoder_decoder: bool, pad: int, device: torch.device | str
) -> Batch:
    given = [len(chunk) // 2 if encoder_decoder else 1 for chunk in chunks]
    prompts = [chunk[:count] for chunk, count in zip(chunks, given, strict=True)]
    responses = [chunk[count:] for chunk, count in zip(chunks, given, strict=True)]
    return collate(prompts, responses, pad, device)
