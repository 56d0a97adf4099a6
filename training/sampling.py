"""Drawing responses from a policy, and the log-probabilities of responses: one distribution, one place.

PPO's ratio is 1 at its first minibatch only if both sides agree, so temperature is applied here and
nowhere else.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from transformers import DynamicCache, PreTrainedModel, PreTrainedTokenizerBase

from training.data import batches_by_length
from training.tokens import Batch, collate


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


def response_logits(model: PreTrainedModel, batch: Batch, temperature: float = 1.0) -> Tensor:
    """[B, R, V]: the logits that predict each response token, and no others."""
    width = batch.response_mask.shape[1]
    logits = model(
        input_ids=batch.ids,
        attention_mask=batch.mask,
        position_ids=batch.positions,
        logits_to_keep=width + 1,
        use_cache=False,
    ).logits
    return _tempered(logits[:, :-1], temperature)


def log_probs_of(logits: Tensor, tokens: Tensor) -> Tensor:
    """[B, R]: log-probability of each token under its logits [B, R, V]."""
    return logits.log_softmax(dim=-1).gather(-1, tokens.unsqueeze(-1)).squeeze(-1)


@torch.no_grad()
def response_log_probs(model: PreTrainedModel, batch: Batch, temperature: float = 1.0) -> Tensor:
    """[B, R], 0 at padding, without gradients."""
    return log_probs_of(response_logits(model, batch, temperature), batch.responses) * batch.response_mask


@torch.no_grad()
def sample(
    model: PreTrainedModel,
    prompts: Sequence[Sequence[int]],
    *,
    end: int,
    pad: int,
    limit: int,
    generator: torch.Generator,
    temperature: float = 1.0,
    top_p: float = 1.0,
    copies: int = 1,
) -> Samples:
    """Draw `copies` responses of at most `limit` tokens for each prompt, the copies of a prompt together.

    Temperature 0 is greedy. A prompt is read once for all its copies; sampling stops when all have ended.
    """
    batch = collate(prompts, [[]] * len(prompts), pad, model.device)
    out = model(
        input_ids=batch.ids,
        attention_mask=batch.mask,
        position_ids=batch.positions,
        past_key_values=DynamicCache(config=model.config),
        use_cache=True,
        logits_to_keep=1,
    )
    cache, logits = out.past_key_values, out.logits[:, -1].repeat_interleave(copies, dim=0)
    attention = batch.mask.repeat_interleave(copies, dim=0)
    position = batch.positions[:, -1:].repeat_interleave(copies, dim=0)
    if copies > 1:
        cache.batch_repeat_interleave(copies)
    running = torch.ones(len(logits), dtype=torch.bool, device=model.device)
    tokens, masks, log_probs = [], [], []
    for step in range(limit):
        token, log_prob = _draw(logits, temperature, top_p, generator)
        tokens.append(torch.where(running, token, pad))
        log_probs.append(torch.where(running, log_prob, 0.0))
        masks.append(running.float())
        running = running & (token != end)
        if step + 1 == limit or not running.any():
            break
        attention = torch.cat([attention, torch.ones_like(attention[:, :1])], dim=1)
        position = position + 1
        logits = model(
            input_ids=token.unsqueeze(1),
            attention_mask=attention,
            position_ids=position,
            past_key_values=cache,
            use_cache=True,
        ).logits[:, -1]
    return Samples(torch.stack(tokens, 1), torch.stack(masks, 1), torch.stack(log_probs, 1), ~running)


def sample_all(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    prompts: Sequence[Sequence[int]],
    *,
    limit: int,
    batch_size: int,
    generator: torch.Generator,
    temperature: float = 1.0,
    top_p: float = 1.0,
    copies: int = 1,
) -> Iterator[tuple[list[int], Samples]]:
    """Yield (indices of prompts, their samples) until every prompt has had its copies.

    `batch_size` counts sequences; prompts of like length are read together.
    """
    for indices in batches_by_length([len(prompt) for prompt in prompts], max(1, batch_size // copies)):
        yield (
            indices,
            sample(
                model,
                [prompts[index] for index in indices],
                end=tokenizer.eos_token_id,
                pad=tokenizer.pad_token_id,
                limit=limit,
                generator=generator,
                temperature=temperature,
                top_p=top_p,
                copies=copies,
            ),
        )


def _tempered(logits: Tensor, temperature: float) -> Tensor:
    return logits.float() / (temperature or 1.0)


def _draw(
    logits: Tensor, temperature: float, top_p: float, generator: torch.Generator
) -> tuple[Tensor, Tensor]:
    """One token a row [B] and its log-probability [B]."""
    log_probs = _tempered(logits, temperature).log_softmax(dim=-1)
    if temperature == 0:
        token = log_probs.argmax(dim=-1)
    else:
        probabilities = log_probs.exp()
        if top_p < 1:
            probabilities = _nucleus(probabilities, top_p)
        token = torch.multinomial(probabilities, 1, generator=generator).squeeze(1)
    return token, log_probs.gather(1, token.unsqueeze(1)).squeeze(1)


def _nucleus(probabilities: Tensor, top_p: float) -> Tensor:
    """Only the likeliest tokens that together reach `top_p` (Holtzman et al. 2020), not renormalised."""
    ordered, index = probabilities.sort(dim=-1, descending=True)
    ordered = ordered.masked_fill(ordered.cumsum(dim=-1) - ordered >= top_p, 0.0)
    return torch.zeros_like(probabilities).scatter(-1, index, ordered)
