"""Random numbers that are looked up, not drawn in turn: each is a function of its coordinates alone.

A response must not depend on which batch it is drawn in, on what was drawn before it, or on how many
processes share the work. So the number behind its t-th token is keyed by (seed, step, prompt, copy, t), and
there is no state to carry, save or restore.

The function is SplitMix64 (Steele, Lea and Flood 2014, "Fast splittable pseudorandom number generators",
figure 14, with the constants of Stafford's variant 13), absorbing one coordinate after another.
"""

from __future__ import annotations

import hashlib

import torch
from torch import Tensor

GAMMA = 0x9E3779B97F4A7C15
FIRST = 0xBF58476D1CE4E5B9
SECOND = 0x94D049BB133111EB


def keyed(*coordinates: int | Tensor) -> Tensor:
    """Sixty-four random bits, as int64, for each element of the coordinates, which broadcast.

    Coordinates are integers below 2^63 or int64 tensors; their order counts.
    """
    key = torch.zeros((), dtype=torch.int64)
    for coordinate in coordinates:
        key = _mixed(key ^ coordinate)
    return key


def uniform(key: Tensor) -> Tensor:
    """Numbers strictly between 0 and 1, in float64, from the upper 52 bits of each key."""
    return (_shifted(key, 12).double() + 0.5) * 2.0**-52


def name_key(name: str) -> int:
    """A coordinate, below 2^63, for whatever has a name: a prompt's public id."""
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:8]) >> 1


def _mixed(key: Tensor) -> Tensor:
    key = key + _signed(GAMMA)
    key = (key ^ _shifted(key, 30)) * _signed(FIRST)
    key = (key ^ _shifted(key, 27)) * _signed(SECOND)
    return key ^ _shifted(key, 31)


def _shifted(key: Tensor, bits: int) -> Tensor:
    """A logical shift to the right: torch's own drags the sign along."""
    return (key >> bits) & ((1 << (64 - bits)) - 1)


def _signed(constant: int) -> int:
    """The int64 of the same sixty-four bits; products wrap around alike."""
    return constant - (1 << 64)
