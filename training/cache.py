"""A cache of keys and values that a token is written into."""

from __future__ import annotations

from typing import Any

from torch import Tensor
from transformers import DynamicCache
from transformers.cache_utils import DynamicLayer

ROOM = 64
"""Columns that are made at a time."""


class RoomyLayer(DynamicLayer):
    """One layer, whose keys and values are the filled part of something larger.

    transformers' own copies all that there is with every token.
    """

    def __init__(self) -> None:
        super().__init__()
        self._room: tuple[Tensor, Tensor] | None = None

    def update(self, key_states: Tensor, value_states: Tensor, *_: Any, **__: Any) -> tuple[Tensor, Tensor]:
        filled = self.get_seq_length()
        if not filled:
            return super().update(key_states, value_states)
        assert self.keys is not None
        assert self.values is not None
        length = filled + key_states.shape[-2]
        if self._room is None or length > self._room[0].shape[-2]:
            self._room = (_larger(self.keys, length + ROOM), _larger(self.values, length + ROOM))
        keys, values = self._room
        keys[..., filled:length, :] = key_states
        values[..., filled:length, :] = value_states
        self.keys, self.values = keys[..., :length, :], values[..., :length, :]
        return self.keys, self.values

    def batch_repeat_interleave(self, repeats: int) -> None:
        super().batch_repeat_interleave(repeats)
        self._room = None

    def batch_select_indices(self, indices: Tensor) -> None:
        super().batch_select_indices(indices)
        self._room = None


def roomy(cache: DynamicCache) -> DynamicCache:
    """The empty cache with room in its ordinary layers; one of a sliding window stays as it is."""
    cache.layers = [RoomyLayer() if type(layer) is DynamicLayer else layer for layer in cache.layers]
    return cache


def _larger(states: Tensor, columns: int) -> Tensor:
    made = states.new_empty((*states.shape[:-2], columns, states.shape[-1]))
    made[..., : states.shape[-2], :] = states
    return made
