"""The two kinds of language model behind one set of functions: decoder-only, and encoder-decoder.

One `tokens.Batch` serves both. A decoder-only model (GPT-2-, Llama-, Qwen-like) reads prompt and response
as one row; of an encoder-decoder (T5-like) the encoder reads the prompt's columns, each distinct prompt
once, and the decoder a start token and the response. What samples, learns or scores does not ask which kind a
model is.
"""

from __future__ import annotations

import inspect
from typing import Any, Protocol, cast

import torch
from torch import Tensor
from transformers import DynamicCache, PreTrainedConfig, PreTrainedModel
from transformers.modeling_outputs import BaseModelOutput

from training.tokens import Batch


def states(backbone: PreTrainedModel, batch: Batch) -> Tensor:
    """[B, R + 1, H]: entry t is what the model makes of the prompt and t response tokens."""
    if backbone.config.is_encoder_decoder:
        out = backbone(**_encoded(backbone, batch), **_decoded(backbone, batch, batch.width + 1))
        return cast(Tensor, out.last_hidden_state)
    hidden = backbone(input_ids=_from_left(batch), use_cache=False).last_hidden_state
    return _at(hidden, _before(batch, batch.width + 1))


def response_logits(model: PreTrainedModel, batch: Batch, temperature: float = 1.0) -> Tensor:
    """[B, R, V]: the logits that predict each response token, and no others, divided by the temperature."""
    if model.config.is_encoder_decoder:
        logits = model(**_encoded(model, batch), **_decoded(model, batch, batch.width)).logits
    else:
        columns = _before(batch, batch.width)
        # The model's own output layer reads these states alone, and whatever follows it is applied as ever.
        head = model.get_output_embeddings()
        hook = head.register_forward_pre_hook(lambda _, hidden: (_at(hidden[0], columns),))
        try:
            logits = model(input_ids=_from_left(batch), use_cache=False).logits
        finally:
            hook.remove()
    return tempered(logits, temperature)


def tempered(logits: Tensor, temperature: float) -> Tensor:
    """Logits in float32 over the temperature; at 0, which is greedy, as they are."""
    return logits.float() / (temperature or 1.0)


class Reader(Protocol):
    """A model in the middle of N responses: `logits` [N, V] are those of each one's next token."""

    logits: Tensor

    def read(self, tokens: Tensor) -> None:
        """Take one more token [N] of every response."""

    def keep(self, rows: Tensor) -> None:
        """Go on with these responses [M] alone, in this order."""


def begin(model: PreTrainedModel, prompts: Batch, copies: int) -> Reader:
    """A reader that has read the prompts, each once for its `copies` responses, which stand together."""
    kind = _EncoderDecoderReader if model.config.is_encoder_decoder else _DecoderReader
    return kind(model, prompts, copies)


class _DecoderReader:
    def __init__(self, model: PreTrainedModel, prompts: Batch, copies: int) -> None:
        self._model = model
        cache = DynamicCache(config=model.config)
        row = _reading(model, prompts.ids, prompts.mask, prompts.positions)
        out = model(**row, past_key_values=cache, use_cache=True, logits_to_keep=1)
        self._cache = out.past_key_values
        self._cache.batch_repeat_interleave(copies)
        self._mask = prompts.mask.repeat_interleave(copies, dim=0)
        self._position = prompts.positions[:, -1:].repeat_interleave(copies, dim=0)
        self.logits = out.logits[:, -1].repeat_interleave(copies, dim=0)

    def read(self, tokens: Tensor) -> None:
        self._mask = torch.cat([self._mask, torch.ones_like(self._mask[:, :1])], dim=1)
        self._position = self._position + 1
        row = _reading(self._model, tokens.unsqueeze(1), self._mask, self._position)
        self.logits = self._model(**row, past_key_values=self._cache, use_cache=True).logits[:, -1]

    def keep(self, rows: Tensor) -> None:
        self._cache.batch_select_indices(rows)
        self._mask, self._position = self._mask[rows], self._position[rows]
        self.logits = self.logits[rows]


class _EncoderDecoderReader:
    logits: Tensor

    def __init__(self, model: PreTrainedModel, prompts: Batch, copies: int) -> None:
        self._model = model
        self._known: dict[str, Any] = {**_encoded(model, prompts), "past_key_values": None}
        self.read(prompts.ids.new_full((len(prompts.ids),), start_token(model.config)))
        # The cache now holds what the decoder sees of the prompt; the encoder's own states are carried along
        # only because the model asks for them.
        self._known["past_key_values"].batch_repeat_interleave(copies)
        hidden = self._known["encoder_outputs"].last_hidden_state.repeat_interleave(copies, dim=0)
        self._known["encoder_outputs"] = BaseModelOutput(hidden)
        self._known["attention_mask"] = self._known["attention_mask"].repeat_interleave(copies, dim=0)
        self.logits = self.logits.repeat_interleave(copies, dim=0)

    def read(self, tokens: Tensor) -> None:
        out = self._model(**self._known, decoder_input_ids=tokens.unsqueeze(1), use_cache=True)
        self._known["past_key_values"] = out.past_key_values
        self.logits = out.logits[:, -1]

    def keep(self, rows: Tensor) -> None:
        self._known["past_key_values"].batch_select_indices(rows)
        self._known["encoder_outputs"] = BaseModelOutput(
            self._known["encoder_outputs"].last_hidden_state[rows]
        )
        self._known["attention_mask"] = self._known["attention_mask"][rows]
        self.logits = self.logits[rows]


def start_token(config: PreTrainedConfig) -> int:
    """What the decoder reads before a response; T5's is its pad token, which a fresh T5Config leaves out."""
    start = getattr(config, "decoder_start_token_id", None)
    return int(config.pad_token_id if start is None else start)


def _from_left(batch: Batch) -> Tensor:
    """[B, T] ids of rows that begin at the first column, T the longest of them.

    What pads them stands on the right, where a causal model does not look: it needs neither a mask nor
    positions, and rows of like length have next to no padding, however long their prompts are.
    """
    width = batch.ids.shape[1]
    columns = torch.arange(width, device=batch.ids.device) + batch.mask.argmax(dim=1, keepdim=True)
    return batch.ids.gather(1, columns % width)[:, : int(batch.mask.sum(dim=1).max())]


def _before(batch: Batch, width: int) -> Tensor:
    """[B, width] the columns of `_from_left` that have read the prompt and 0, 1, … response tokens."""
    first = batch.prompt_mask.sum(dim=1, keepdim=True) - 1
    longest = int(batch.mask.sum(dim=1).max())
    return (first + torch.arange(width, device=batch.ids.device)).clamp(max=longest - 1)


def _at(states: Tensor, columns: Tensor) -> Tensor:
    """[B, N, H] the states [B, T, H] at each row's columns [B, N]."""
    return states.gather(1, columns.unsqueeze(-1).expand(-1, -1, states.shape[-1]))


def _reading(model: PreTrainedModel, ids: Tensor, mask: Tensor, positions: Tensor) -> dict[str, Tensor]:
    row = {"input_ids": ids, "attention_mask": mask}
    # A model without the argument (ALiBi, say) derives positions from the mask.
    if "position_ids" in inspect.signature(model.forward).parameters:
        row["position_ids"] = positions
    return row


def _encoded(model: PreTrainedModel, batch: Batch) -> dict[str, Any]:
    """The encoder's states of every row's prompt; the completions of one item share one reading."""
    # An encoder with learned positions counts columns, so its prompts begin at the first one.
    columns = torch.arange(batch.prompts.shape[1], device=batch.ids.device)
    columns = (columns - batch.prompt_mask.sum(dim=1, keepdim=True)) % len(columns)
    ids, mask = batch.prompts.gather(1, columns), batch.prompt_mask.gather(1, columns)
    distinct, place = torch.stack([ids, mask], dim=1).unique(dim=0, return_inverse=True)
    read = model.get_encoder()(input_ids=distinct[:, 0], attention_mask=distinct[:, 1])
    return {"encoder_outputs": BaseModelOutput(read.last_hidden_state[place]), "attention_mask": mask}


def _decoded(model: PreTrainedModel, batch: Batch, width: int) -> dict[str, Any]:
    """The decoder's first `width` tokens: the start token, then the response.

    It needs no mask: what pads a response stands on its right, where nothing looks.
    """
    start = batch.responses.new_full((len(batch.ids), 1), start_token(model.config))
    tokens = torch.cat([start, batch.responses], dim=1)[:, :width]
    return {"decoder_input_ids": tokens, "use_cache": False}
