"""The optimiser and learning-rate schedules of every training stage."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import torch
from torch.nn import Parameter
from torch.optim.lr_scheduler import LambdaLR


def adam(
    parameters: Iterable[Parameter] | Iterable[dict[str, Any]],
    learning_rate: float,
    weight_decay: float = 0.0,
) -> torch.optim.AdamW:
    """Adam with InstructGPT's betas (appendix C); groups of parameters may have rates of their own."""
    return torch.optim.AdamW(
        parameters, lr=learning_rate, betas=(0.9, 0.95), weight_decay=weight_decay, fused=True
    )


def cosine_to_tenth(optimizer: torch.optim.Optimizer, warmup: int, total: int) -> LambdaLR:
    """Linear warm-up from nothing, then a cosine down to a tenth at the last step (appendix C)."""

    def factor(step: int) -> float:
        if step < warmup:
            return (step + 1) / warmup
        progress = min(1.0, (step - warmup) / max(1, total - warmup))
        return 0.1 + 0.45 * (1 + math.cos(math.pi * progress))

    return LambdaLR(optimizer, factor)


def constant_from_tenth(optimizer: torch.optim.Optimizer, warmup: int) -> LambdaLR:
    """Constant after a linear warm-up from a tenth (appendix C.4)."""
    return LambdaLR(optimizer, lambda step: min(1.0, 0.1 + 0.9 * step / warmup) if warmup else 1.0)
