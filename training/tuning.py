"""How weights are trained: all of them or LoRA's adapters, in which precision, activations kept or not."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from peft import LoraConfig, inject_adapter_in_model
from peft.tuners.tuners_utils import BaseTunerLayer
from torch import nn
from torch.nn import Parameter
from transformers import PreTrainedModel

from training.contracts import Tuning


def tune(model: PreTrainedModel, settings: Tuning) -> None:
    """Make the model trainable as the settings say, in place.

    With a LoRA rank (Hu et al. 2021, arXiv 2106.09685) every linear layer but the output gets an adapter,
    which starts at nothing, and all else is frozen. Checkpointed layers are computed again in the backward
    pass; that happens in training mode alone.
    """
    model.requires_grad_(True)
    if settings.lora_rank:
        alpha = settings.lora_alpha or 2 * settings.lora_rank
        inject_adapter_in_model(
            LoraConfig(r=settings.lora_rank, lora_alpha=alpha, target_modules="all-linear"), model
        )
    if settings.gradient_checkpointing:
        model.activation_checkpointing_enable({"use_reentrant": False})


def trained(model: nn.Module) -> list[Parameter]:
    """The parameters that training moves."""
    return [parameter for parameter in model.parameters() if parameter.requires_grad]


@contextmanager
def adapters_off(model: nn.Module) -> Iterator[None]:
    """The model as it was before its adapters; not to be trained meanwhile."""
    layers = [layer for layer in model.modules() if isinstance(layer, BaseTunerLayer)]
    for layer in layers:
        layer.enable_adapters(False)
    try:
        yield
    finally:
        for layer in layers:
            layer.enable_adapters(True)


def merge_adapters(model: nn.Module) -> None:
    """Add the adapters to the weights, in place: what is left is a plain model."""
    layers = {name: layer for name, layer in model.named_modules() if isinstance(layer, BaseTunerLayer)}
    for name, layer in layers.items():
        layer.merge(safe_merge=True)
        parent, _, own = name.rpartition(".")
        setattr(model.get_submodule(parent), own, layer.get_base_layer())


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
