"""The reward model: a language model's backbone with one number for each response; alone or in an ensemble.

Of an encoder-decoder the encoder reads the prompt and the decoder each response; transformers' own
T5ForSequenceClassification feeds everything to both, and fails on a response that was cut off.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import cast

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from training.checkpoints import load_backbone, save_model
from training.contracts import ContractError, read_json, write_json
from training.families import states
from training.reward_losses import eta_of, rho_from_tie_rate
from training.tokens import Batch

HEAD = "head.safetensors"
ENSEMBLE = "ensemble.json"


class RewardModel(nn.Module):
    """score = (head(hidden state at the response's last token) - bias) / scale.

    Bias and scale are measured once after training, so that demonstrations score 0 on average
    (InstructGPT, section 3.5) with standard deviation 1. Until then they are 0 and 1. `rho` is there if
    the model has learned from ties: θ = e^softplus(ρ), in the units of scores before they are scaled.
    """

    bias: Tensor
    scale: Tensor
    rho: nn.Parameter | None

    def __init__(self, backbone: PreTrainedModel) -> None:
        super().__init__()
        self.backbone = backbone
        self.head = nn.Linear(backbone.config.hidden_size, 1, bias=False)
        # Stiennon et al. 2020, appendix B: scores start with a variance near 1.
        nn.init.normal_(self.head.weight, std=(backbone.config.hidden_size + 1) ** -0.5)
        self.register_buffer("bias", torch.zeros(()))
        self.register_buffer("scale", torch.ones(()))
        self.register_parameter("rho", None)

    @property
    def device(self) -> torch.device:
        return self.head.weight.device

    @property
    def first(self) -> RewardModel:
        """What a value model starts from."""
        return self

    @property
    def alone(self) -> list[RewardModel]:
        return [self]

    @property
    def eta(self) -> Tensor | None:
        """log θ, None for a model that knows no ties."""
        return None if self.rho is None else eta_of(self.rho)

    def forward(self, batch: Batch) -> Tensor:
        """[B] the score of each row's prompt and response."""
        known = states(self.backbone, batch)
        rows = torch.arange(len(known), device=known.device)
        return self.score(known[rows, batch.lengths])

    def values(self, batch: Batch) -> Tensor:
        """[B, R] a number before each response token: what a value model makes of the text so far."""
        return self.score(states(self.backbone, batch)[:, :-1])

    def score(self, known: Tensor) -> Tensor:
        """[...] what the states [..., H] score."""
        # In float32 also where the backbone is not: bfloat16 tells scores apart by no more than a hundredth.
        with torch.autocast(known.device.type, enabled=False):
            return cast(Tensor, (self.head(known.float()).squeeze(-1) - self.bias) / self.scale)

    def learn_ties(self, tie_rate: float) -> None:
        """Give the model a θ of its own, set from the share of pairs that labelers call equal."""
        self.rho = nn.Parameter(torch.tensor(rho_from_tie_rate(tie_rate), device=self.device))

    def centre(self, scores: Tensor) -> None:
        """Set bias and scale from scores [N] that were taken with bias 0 and scale 1."""
        self.bias.copy_(scores.mean())
        if len(scores) > 1:
            self.scale.copy_(scores.std().clamp(min=1e-6))

    def save(self, tokenizer: PreTrainedTokenizerBase, folder: Path) -> None:
        save_model(self.backbone, tokenizer, folder)
        head = {"weight": self.head.weight.detach(), "bias": self.bias, "scale": self.scale}
        if self.rho is not None:
            head["rho"] = self.rho.detach()
        save_file({name: tensor.cpu().contiguous() for name, tensor in head.items()}, folder / HEAD)


class Ensemble(nn.Module):
    """Members that differ by seed; reward = mean - λ variance (Coste et al. 2023, arXiv 2310.02743).

    Each member is centred and scaled first, else the one with the widest scores would decide. Where members
    disagree a policy finds scores that nobody would give; the variance takes the gain from it.
    """

    def __init__(self, members: Sequence[RewardModel], penalty: float) -> None:
        super().__init__()
        self.members = nn.ModuleList(members)
        self.penalty = penalty

    @property
    def device(self) -> torch.device:
        return self.first.device

    @property
    def first(self) -> RewardModel:
        """What a value model starts from: a mean has no backbone to start from."""
        return self.alone[0]

    @property
    def alone(self) -> list[RewardModel]:
        return [cast(RewardModel, member) for member in self.members]

    def forward(self, batch: Batch) -> Tensor:
        """[B] the score of each row's prompt and response."""
        return self.combine(torch.stack([member(batch) for member in self.alone]))

    def combine(self, scores: Tensor) -> Tensor:
        """[N] from the members' scores [M, N]; the variance has M in its divisor."""
        return scores.mean(dim=0) - self.penalty * scores.var(dim=0, correction=0)

    def save(self, tokenizer: PreTrainedTokenizerBase, folder: Path) -> None:
        for number, member in enumerate(self.alone):
            member.save(tokenizer, folder / f"member-{number}")
        write_json(folder / ENSEMBLE, {"members": len(self.members), "lambda": self.penalty})


Scorer = RewardModel | Ensemble


def new_reward_model(folder: Path) -> tuple[RewardModel, PreTrainedTokenizerBase]:
    """A reward model with the weights of the language model in `folder` and a fresh head."""
    backbone, tokenizer = load_backbone(folder)
    return RewardModel(backbone).eval(), tokenizer


def load_reward_model(folder: Path) -> tuple[Scorer, PreTrainedTokenizerBase]:
    """A saved reward model or ensemble, in evaluation mode. Raises ContractError if it is none."""
    if not (folder / ENSEMBLE).is_file():
        return _load_one(folder)
    settings = read_json(folder / ENSEMBLE)
    loaded = [_load_one(folder / f"member-{number}") for number in range(settings["members"])]
    return Ensemble([member for member, _ in loaded], settings["lambda"]).eval(), loaded[0][1]


def _load_one(folder: Path) -> tuple[RewardModel, PreTrainedTokenizerBase]:
    if not (folder / HEAD).is_file():
        raise ContractError(f"inputs/{folder.name}: no reward model ({HEAD} is missing)")
    model, tokenizer = new_reward_model(folder)
    head = load_file(folder / HEAD)
    with torch.no_grad():
        model.head.weight.copy_(head["weight"])
        model.bias.copy_(head["bias"])
        model.scale.copy_(head["scale"])
        if "rho" in head:
            model.rho = nn.Parameter(head["rho"])
    return model, tokenizer
