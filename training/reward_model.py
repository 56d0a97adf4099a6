"""The reward model: a language model's backbone with one number for each response to a prompt.

Of an encoder-decoder the encoder reads the prompt and the decoder each response; transformers' own
T5ForSequenceClassification feeds everything to both, and fails on a response that was cut off.
"""

from __future__ import annotations

from pathlib import Path
from typing import cast

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from training.checkpoints import load_backbone, save_model
from training.contracts import ContractError
from training.families import states
from training.tokens import Batch

HEAD = "head.safetensors"


class RewardModel(nn.Module):
    """score = (head(hidden state at the response's last token) - bias) / scale.

    Bias and scale are measured once after training, so that demonstrations score 0 on average
    (InstructGPT, section 3.5) with standard deviation 1. Until then they are 0 and 1.
    """

    bias: Tensor
    scale: Tensor

    def __init__(self, backbone: PreTrainedModel) -> None:
        super().__init__()
        self.backbone = backbone
        self.head = nn.Linear(backbone.config.hidden_size, 1, bias=False)
        # Stiennon et al. 2020, appendix B: scores start with a variance near 1.
        nn.init.normal_(self.head.weight, std=(backbone.config.hidden_size + 1) ** -0.5)
        self.register_buffer("bias", torch.zeros(()))
        self.register_buffer("scale", torch.ones(()))

    def forward(self, batch: Batch) -> Tensor:
        """[B] the score of each row's prompt and response."""
        known = states(self.backbone, batch)
        rows = torch.arange(len(known), device=known.device)
        return self._score(known[rows, batch.lengths])

    def values(self, batch: Batch) -> Tensor:
        """[B, R] a number before each response token: what a value model makes of the text so far."""
        return self._score(states(self.backbone, batch)[:, :-1])

    def centre(self, scores: Tensor) -> None:
        """Set bias and scale from scores [N] that were taken with bias 0 and scale 1."""
        self.bias.copy_(scores.mean())
        if len(scores) > 1:
            self.scale.copy_(scores.std().clamp(min=1e-6))

    def save(self, tokenizer: PreTrainedTokenizerBase, folder: Path) -> None:
        save_model(self.backbone, tokenizer, folder)
        head = {"weight": self.head.weight.detach(), "bias": self.bias, "scale": self.scale}
        save_file({name: tensor.cpu().contiguous() for name, tensor in head.items()}, folder / HEAD)

    def _score(self, known: Tensor) -> Tensor:
        # In float32 also where the backbone is not: bfloat16 tells scores apart by no more than a hundredth.
        with torch.autocast(known.device.type, enabled=False):
            return cast(Tensor, (self.head(known.float()).squeeze(-1) - self.bias) / self.scale)


def new_reward_model(folder: Path) -> tuple[RewardModel, PreTrainedTokenizerBase]:
    """A reward model with the weights of the language model in `folder` and a fresh head."""
    backbone, tokenizer = load_backbone(folder)
    return RewardModel(backbone).eval(), tokenizer


def load_reward_model(folder: Path) -> tuple[RewardModel, PreTrainedTokenizerBase]:
    """A saved reward model, in evaluation mode. Raises ContractError if it is none."""
    if not (folder / HEAD).is_file():
        raise ContractError(f"inputs/{folder.name}: no reward model ({HEAD} is missing)")
    model, tokenizer = new_reward_model(folder)
    head = load_file(folder / HEAD)
    with torch.no_grad():
        model.head.weight.copy_(head["weight"])
        model.bias.copy_(head["bias"])
        model.scale.copy_(head["scale"])
    return model, tokenizer
