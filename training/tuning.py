"""How weights are trained: all of them or LoRA's adapters, in which precision, activations kept or not."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn
from torch.nn import Parameter
from transformers import PreTrainedModel

from training.contracts import Tuning

PEFT = "peft_config"
"""The attribute that peft leaves on a model that it has given adapters."""


def tune(model: PreTrainedModel, settings: Tuning) -> None:
    """Make the model trainable as the settings say, in place.

    With a LoRA rank (Hu et al. 2021, arXiv 2106.09685) every linear layer but the output gets an adapter,
    which starts at nothing, and all else is frozen. Checkpointed layers are computed again in the backward
    pass; that happens in training mode alone.
    """
    model.requires_grad_(True)
    if settings.lora_rank:
        # Here and not above: peft takes two seconds to import, and most runs never need it.
        from peft import LoraConfig, inject_adapter_in_model

        alpha = settings.lora_alpha or 2 * settings.lora_rank
        inject_adapter_in_model(
            LoraConfig(r=settings.lora_rank, lora_alpha=alpha, target_modules="all-linear"), model
        )
    if settings.gradient_checkpointing:
        model.activation_checkpointing_enable({"use_reentrant": False})


def trained(model: nn.Module) -> list[Parameter]:
    """The parameters that training moves."""
    return [parameter for parameter in model.parameters() if parameter.requires_grad]


class Average:
    """The moving average of what is trained of a model: of LoRA's factors each by itself."""

    def __init__(self, model: PreTrainedModel, decay: float) -> None:
        self.model, self.decay = model, decay
        self.weights = [weight.detach().clone() for weight in trained(model)]

    @torch.no_grad()
    def follow(self) -> None:
        for average, current in zip(self.weights, trained(self.model), strict=True):
            average.lerp_(current, 1 - self.decay)

    @torch.no_grad()
    def publish(self) -> None:
        """The model takes the averaged weights."""
        for average, current in zip(self.weights, trained(self.model), strict=True):
            current.copy_(average)

    def state_dict(self) -> dict[str, Any]:
        return {"weights": self.weights}

    def load_state_dict(self, state_dict: dict[str, Any], /) -> None:
        for average, kept in zip(self.weights, state_dict["weights"], strict=True):
            average.copy_(kept)


@contextmanager
def adapters_off(model: PreTrainedModel) -> Iterator[None]:
    """The model as it was before its adapters; not to be trained meanwhile."""
    layers = _adapters(model).values()
    for layer in layers:
        layer.enable_adapters(False)
    try:
        yield
    finally:
        for layer in layers:
            layer.enable_adapters(True)


def merge_adapters(model: PreTrainedModel) -> None:
    """Add the adapters to the weights, in place: what is left is a plain model."""
    for name, layer in _adapters(model).items():
        layer.merge(safe_merge=True)
        parent, _, own = name.rpartition(".")
        setattr(model.get_submodule(parent), own, layer.get_base_layer())
    if hasattr(model, PEFT):
        delattr(model, PEFT)


def _adapters(model: PreTrainedModel) -> dict[str, Any]:
    """The linear layers with an adapter, by their names in the model."""
    if not hasattr(model, PEFT):
        return {}
    from peft.tuners.tuners_utils import BaseTunerLayer

    return {name: layer for name, layer in model.named_modules() if isinstance(layer, BaseTunerLayer)}


def autocast(settings: Tuning, device: torch.device) -> torch.autocast:
    """Matrix products in bfloat16 where the settings say so; weights and the optimiser stay in float32.

    To be entered anew for each forward pass: it keeps its bfloat16 copies of the weights until it is left.
    """
    enabled = settings.precision == "bfloat16" or (
        settings.precision == "auto"
        and device.type == "cuda"
        and torch.cuda.is_bf16_supported(including_emulation=False)
    )
    return torch.autocast(device.type, dtype=torch.bfloat16, enabled=enabled)
