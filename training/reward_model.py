"""The reward model: a language model's backbone with one number for each sequence."""

from __future__ import annotations

from pathlib import Path
from typing import cast

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from transformers import AutoModel, PreTrainedModel, PreTrainedTokenizerBase

from training.checkpoints import load_tokenizer, save_model
from training.contracts import ContractError
from training.tokens import Batch

HEAD = "head.safetensors"


class RewardModel(nn.Module):
    """score = (head(hidden state at the last token) - bias) / scale.

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
        hidden = self._hidden(batch)
        rows = torch.arange(len(hidden), device=hidden.device)
        return self._score(hidden[rows, batch.last])

    def values(self, batch: Batch) -> Tensor:
        """[B, R] a number before each response token: what a value model makes of the text so far."""
        width = batch.response_mask.shape[1]
        return self._score(self._hidden(batch)[:, -width - 1 : -1])

    def centre(self, scores: Tensor) -> None:
        """Set bias and scale from scores [N] that were taken with bias 0 and scale 1."""
        self.bias.copy_(scores.mean())
        if len(scores) > 1:
            self.scale.copy_(scores.std().clamp(min=1e-6))

    def save(self, tokenizer: PreTrainedTokenizerBase, folder: Path) -> None:
        save_model(self.backbone, tokenizer, folder)
        head = {"weight": self.head.weight.detach(), "bias": self.bias, "scale": self.scale}
        save_file({name: tensor.cpu().contiguous() for name, tensor in head.items()}, folder / HEAD)

    def _hidden(self, batch: Batch) -> Tensor:
        out = self.backbone(
            input_ids=batch.ids, attention_mask=batch.mask, position_ids=batch.positions, use_cache=False
        )
        return cast(Tensor, out.last_hidden_state)

    def _score(self, hidden: Tensor) -> Tensor:
        return cast(Tensor, (self.head(hidden).squeeze(-1) - self.bias) / self.scale)


def new_reward_model(folder: Path) -> tuple[RewardModel, PreTrainedTokenizerBase]:
    """A reward model with the weights of the language model in `folder` and a fresh head."""
    tokenizer = load_tokenizer(folder)
    try:
        backbone = AutoModel.from_pretrained(folder, use_safetensors=True, dtype=torch.float32)
    except (OSError, ValueError) as error:
        raise ContractError(f"inputs/{folder.name}: no model can be loaded ({error})") from error
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
