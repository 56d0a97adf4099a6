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

from training.apart import APART, end_to_end
from training.cache import roomy
from training.tokens import Batch


def states(backbone: PreTrainedModel, batch: Batch) -> Tensor:
    """[B, R + 1, H]: entry t is what the model makes of the prompt and t response tokens."""
    if backbone.config.is_encoder_decoder:
        out = backbone(**_encoded(backbone, batch), **_decoded(backbone, batch, batch.width + 1))
        return cast(Tensor, out.last_hidden_state)
    read, first = _unmasked(backbone, batch)
    hidden = backbone(**read, use_cache=False).last_hidden_state
    # Beyond its last token a row's state is that token's once more: nobody asks for it.
    before = torch.arange(batch.width + 1, device=first.device).minimum(batch.lengths.unsqueeze(1))
    return cast(Tensor, hidden.flatten(0, 1)[first.unsqueeze(1) + before])


def response_logits(model: PreTrainedModel, batch: Batch, temperature: float = 1.0) -> Tensor:
    """[N, V]: the logits that predict the batch's response tokens, end to end, divided by the temperature.

    None are computed at other places, padding included.
    """
    places = torch.arange(batch.width, device=batch.ids.device)
    if model.config.is_encoder_decoder:
        read = _encoded(model, batch) | _decoded(model, batch, batch.width)
        first = torch.arange(len(batch.ids), device=batch.ids.device) * batch.width
    else:
        read, first = _unmasked(model, batch)
        read["use_cache"] = False
    before = (first.unsqueeze(1) + places)[batch.response_mask.bool()]
    # The model's own output layer reads these states alone, and whatever follows it is applied as ever.
    hook = model.get_output_embeddings().register_forward_pre_hook(
        lambda _, hidden: (hidden[0].flatten(0, 1)[before],)
    )
    try:
        logits = model(**read).logits
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
        cache = roomy(DynamicCache(config=model.config))
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


def _unmasked(model: PreTrainedModel, batch: Batch) -> tuple[dict[str, Any], Tensor]:
    """What a decoder reads of a batch, and [B] where among its states, end to end, each row's last prompt
    token stands.

    Rows begin at the first column: what pads them stands on the right, where a causal model does not look, so
    it needs neither a mask nor positions, and rows of like length have next to no padding, however long their
    prompts are. A model that attends apart reads no padding at all.
    """
    lengths = batch.mask.sum(dim=1)
    prompts = lengths - batch.lengths
    if model.config._attn_implementation == APART and len(lengths) > 1:
        order = lengths.argsort()  # equal lengths side by side
        real = batch.mask[order].bool()
        ids, positions = batch.ids[order][real], batch.positions[order][real]
        begins = torch.empty_like(lengths)
        begins[order] = lengths[order].cumsum(0) - lengths[order]
        return end_to_end(ids, positions, lengths[order].tolist()), begins + prompts - 1
    width = int(lengths.max())
    columns = torch.arange(width, device=lengths.device) + batch.mask.argmax(dim=1, keepdim=True)
    ids = batch.ids.gather(1, columns.clamp(max=batch.ids.shape[1] - 1))
    return {"input_ids": ids}, torch.arange(len(lengths), device=lengths.device) * width + prompts - 1


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
