"""Drawing responses from a policy, and the log-probabilities of responses: one distribution, one place.

PPO's ratio is 1 at its first minibatch only if both sides agree, so they share one temperature
(`families.tempered`), and what a family of models needs stands in families.py for both.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from training.data import Prompt, batches_by_length
from training.families import begin, response_logits, tempered
from training.noise import keyed, name_key, uniform
from training.tokens import Batch, collate

FINISHED_CARRIED = 0.25
"""Share of the rows that may have ended before they are taken out: that copies what has been read."""


@dataclass(frozen=True)
class Samples:
    """Sampled responses, right-padded.

    tokens    [B, R]  with the end token, where there is one
    mask      [B, R]
    log_probs [B, R]  nats, under the tempered policy (greedy: at temperature 1) before any top-p cut
    finished  [B]     False where the limit of tokens came before the end token
    """

    tokens: Tensor
    mask: Tensor
    log_probs: Tensor
    finished: Tensor

    @property
    def responses(self) -> list[list[int]]:
        lengths = self.mask.sum(dim=1).long().tolist()
        return [row[:length] for row, length in zip(self.tokens.tolist(), lengths, strict=True)]


def log_probs_of(logits: Tensor, tokens: Tensor) -> Tensor:
    """[N]: log-probability of each token [N] under its logits [N, V]."""
    return logits.log_softmax(dim=-1).gather(-1, tokens.unsqueeze(-1)).squeeze(-1)


@torch.no_grad()
def response_log_probs(model: PreTrainedModel, batch: Batch, temperature: float = 1.0) -> Tensor:
    """[B, R], 0 at padding, without gradients."""
    return batch.laid_out(log_probs_of(response_logits(model, batch, temperature), batch.targets))


@torch.no_grad()
def sample(
    model: PreTrainedModel,
    prompts: Sequence[Sequence[int]],
    keys: Sequence[int],
    *,
    end: int,
    pad: int,
    limit: int,
    seed: int,
    step: int = 0,
    temperature: float = 1.0,
    top_p: float = 1.0,
    copies: int = 1,
    first: int = 0,
) -> Samples:
    """Draw `copies` responses of at most `limit` tokens for each prompt, the copies of a prompt together.

    `keys` name the prompts: copy c of a prompt, counted from `first`, is settled by the model and (seed,
    step, its key, c), in whatever company it is drawn. Temperature 0 is greedy. The model's own generation
    defaults (top-k, penalties, forced tokens) are never asked: tokens come from its logits. A prompt is read
    once for all its copies; responses that have ended are read no further.
    """
    batch = collate(prompts, [[]] * len(prompts), pad, model.device)
    named = torch.tensor(keys, device=model.device).repeat_interleave(copies)
    copy = torch.arange(first, first + copies, device=model.device).repeat(len(prompts))
    noise = keyed(seed, step, named, copy)
    reader = begin(model, batch, copies)
    # Row r of the reader writes response live[r]; a row that has ended is dropped before long.
    live = torch.arange(len(named), device=model.device)
    running = torch.ones_like(live, dtype=torch.bool)
    tokens = torch.full((len(named), limit), pad, device=model.device)
    log_probs = torch.zeros((len(named), limit), device=model.device)
    masks = torch.zeros_like(log_probs)
    for position in range(limit):
        token, log_prob = _draw(reader.logits, temperature, top_p, uniform(keyed(noise, position)))
        tokens[live, position] = torch.where(running, token, pad)
        log_probs[live, position] = torch.where(running, log_prob.float(), 0.0)
        masks[live, position] = running.float()
        running = running & (token != end)
        left = int(running.sum())
        if position + 1 == limit or not left:
            break
        if left <= (1 - FINISHED_CARRIED) * len(live):
            rows = running.nonzero().squeeze(1)
            reader.keep(rows)
            live, noise, token, running = live[rows], noise[rows], token[rows], running[rows]
        reader.read(token)
    finished = torch.ones(len(named), dtype=torch.bool, device=model.device)
    finished[live] = ~running
    width = slice(position + 1)
    return Samples(tokens[:, width], masks[:, width], log_probs[:, width], finished)


def sample_all(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    prompts: Sequence[Prompt],
    *,
    limit: int,
    batch_size: int,
    seed: int,
    step: int = 0,
    temperature: float = 1.0,
    top_p: float = 1.0,
    copies: int = 1,
) -> Iterator[tuple[list[int], Samples]]:
    """Yield (indices of prompts, their samples) until every prompt has had its copies.

    `batch_size` counts sequences; prompts of like length are read together. A prompt with more copies than
    that is read alone, again for each `batch_size` of them.
    """
    for indices in batches_by_length([len(prompt.ids) for prompt in prompts], max(1, batch_size // copies)):
        chosen = [prompts[index] for index in indices]
        parts = [
            sample(
                model,
                [prompt.ids for prompt in chosen],
                [name_key(prompt.public_id) for prompt in chosen],
                end=tokenizer.eos_token_id,
                pad=tokenizer.pad_token_id,
                limit=limit,
                seed=seed,
                step=step,
                temperature=temperature,
                top_p=top_p,
                copies=min(batch_size, copies - first),
                first=first,
            )
            for first in range(0, copies, batch_size)
        ]
        yield indices, _joined(parts, tokenizer.pad_token_id)


def _joined(parts: Sequence[Samples], pad: int) -> Samples:
    if len(parts) == 1:
        return parts[0]
    width = max(part.tokens.shape[1] for part in parts)

    def column(name: str, fill: float) -> Tensor:
        values = [getattr(part, name) for part in parts]
        return torch.cat([F.pad(value, (0, width - value.shape[1]), value=fill) for value in values])

    finished = torch.cat([part.finished for part in parts])
    return Samples(column("tokens", pad), column("mask", 0.0), column("log_probs", 0.0), finished)


def _draw(logits: Tensor, temperature: float, top_p: float, noise: Tensor) -> tuple[Tensor, Tensor]:
    """One token a row [B] and its log-probability [B], from numbers in (0, 1) [B]."""
    log_probs = tempered(logits, temperature).log_softmax(dim=-1)
    if temperature == 0:
        token = log_probs.argmax(dim=-1)
    else:
        probabilities = log_probs.exp()
        if top_p < 1:
            probabilities = _nucleus(probabilities, top_p)
        token = inverse_cdf(probabilities, noise)
    return token, log_probs.gather(1, token.unsqueeze(1)).squeeze(1)


def inverse_cdf(weights: Tensor, noise: Tensor) -> Tensor:
    """[B] the index at which the running sum of weights [B, V] first exceeds the share `noise` of the whole.

    In float64, so that rounding moves no boundary by more than the noise is fine; weight 0 is never drawn.
    """
    reached = weights.double().cumsum(dim=-1)
    return torch.searchsorted(reached, noise.unsqueeze(1) * reached[:, -1:], right=True).squeeze(1)


def _nucleus(probabilities: Tensor, top_p: float) -> Tensor:
    """Only the likeliest tokens that together reach `top_p` (Holtzman et al. 2020), not renormalised."""
    ordered, index = probabilities.sort(dim=-1, descending=True)
    ordered = ordered.masked_fill(ordered.cumsum(dim=-1) - ordered >= top_p, 0.0)
    return torch.zeros_like(probabilities).scatter(-1, index, ordered)
