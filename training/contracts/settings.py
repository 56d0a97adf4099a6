"""The settings of each stage.

Defaults are InstructGPT's (arXiv 2203.02155, appendix C) where it states a number; a project's loop policy
overrides them by name. Lengths are tokens.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

Stage = Literal["sft", "reward", "ppo", "dpo", "generate", "evaluate"]
STAGES: tuple[Stage, ...] = ("sft", "reward", "ppo", "dpo", "generate", "evaluate")


@dataclass(frozen=True)
class BaseModel:
    """Where a stage's initial weights come from.

    kind "tiny": the project's own byte-level model of a family and size, random weights, made on the spot.
    kind "folder": a local model folder, linked at inputs/base. kind "hub": a model hub name.
    """

    kind: Literal["tiny", "folder", "hub"] = "tiny"
    name: str = ""
    family: Literal["llama", "t5"] = "llama"
    """Of kind "tiny" alone; a folder or hub model says itself what it is."""
    hidden_size: int = 128
    layers: int = 4
    """Of a T5: in its encoder and again in its decoder."""
    heads: int = 4


@dataclass(frozen=True)
class Tuning:
    """How a stage moves weights, whatever it learns."""

    lora_rank: int = 0
    """Of LoRA's adapters on every linear layer; 0 trains all weights. What is published is merged, always."""
    lora_alpha: int = 0
    """Adapters are scaled by alpha / rank; 0: twice the rank."""
    precision: Literal["auto", "float32", "bfloat16"] = "auto"
    """Of matrix products; weights stay in float32. auto: bfloat16 on a GPU that has it, float32 elsewhere."""
    gradient_checkpointing: bool = False
    """Compute activations again in the backward pass: about a third slower, far less memory."""


@dataclass(frozen=True)
class SftSettings(Tuning):
    """Supervised fine-tuning (C.1): cosine to 10 % of the learning rate, loss on the response only."""

    base: BaseModel = field(default_factory=BaseModel)
    epochs: float = 16.0
    max_steps: int = 0
    """0: as many as `epochs` gives."""
    batch_size: int = 32
    learning_rate: float = 9.65e-6
    warmup_steps: int = 0
    weight_decay: float = 0.0
    dropout: float = 0.0
    max_prompt_tokens: int = 1024
    max_response_tokens: int = 1024
    evaluate_every: int = 100
    max_valid_rows: int = 512
    packing: Literal["auto", "off"] = "auto"
    """"auto": a decoder-only model reads several examples in one row, each as if it were alone."""
    pack_tokens: int = 2048
    """Length of a packed row; an example that is longer has a row of its own."""
    checkpoint: Literal["best", "last"] = "best"
    """"best": by a reward model's score of its samples on held-out prompts where one is given, else by
    validation loss."""
    pretraining_share: float = 0.0
    """Of a batch's examples, from the pretraining corpus; 0.1 in the model that the paper's PPO starts at."""


@dataclass(frozen=True)
class RewardSettings(Tuning):
    """Reward model (C.2): one epoch, a batch element is an item with all K completions."""

    epochs: float = 1.0
    batch_size: int = 64
    """Items, not pairs."""
    micro_batch_size: int = 0
    """Items in one forward; the gradients of a batch are added up. 0: the whole batch at once."""
    learns_from: Literal["train", "valid"] = "train"
    """The split. "valid" is for an evaluation reward model, which shares neither prompts nor labelers with
    the other: it learns from those who are held out, or from all where nobody is."""
    learning_rate: float = 9e-6
    warmup_steps: int = 0
    weight_decay: float = 0.0
    max_prompt_tokens: int = 1024
    max_response_tokens: int = 1024
    ties: Literal["rao_kupper", "drop"] = "rao_kupper"
    """"drop" is the paper's."""
    tie_learning_rate: float = 1e-2
    """Of ρ, the one number behind θ: it moves by about this much a step."""
    margin_from_scores: float = 0.0
    """By how much a winner must lead for each point that the labeler scored it higher (Llama 2). 0: off."""
    shared_prefix: Literal["auto", "off"] = "auto"
    """"auto": a prompt is read once for all its completions, if that scores alike for this model."""
    max_row_tokens: int = 4096
    """An item whose prompt and completions are longer than this together is read apart."""
    members: int = 1
    """More than one: an ensemble, each member with a head, an order of the data and weights of its own."""
    ensemble_lambda: float = 0.5
    """An ensemble's reward is the mean of its members' less this times their variance (Coste et al. 2023)."""
    held_out_labelers: tuple[str, ...] = ()
    """Pseudonyms whose rankings never train and are measured apart."""
    held_out_labeler_share: float = 0.0
    """Of the labelers, where none are named: at least one and never all, settled by the seed."""
    max_demonstrations: int = 512
    """How many demonstrations (or SFT samples) the bias and scale are measured on."""
    bootstrap: int = 1000
    """Resamples, by prompt, behind each interval of the report."""


@dataclass(frozen=True)
class PpoSettings(Tuning):
    """PPO (C.4) with a per-token KL penalty to the policy it started from."""

    episodes: int = 256_000
    batch_size: int = 512
    """Episodes in one iteration."""
    minibatch_size: int = 64
    micro_batch_size: int = 0
    """Episodes in one forward, those of like length together; the gradients of a minibatch are added up.
    0: the whole minibatch at once."""
    inner_epochs: int = 1
    policy_learning_rate: float = 9.65e-6
    value_learning_rate: float = 9e-6
    warmup_iterations: int = 10
    """Linear from a tenth."""
    kl_coefficient: float = 0.02
    """Fixed, or where `kl_target` starts from."""
    kl_target: float = 0.0
    """Nats a response that an adaptive coefficient steers to; 0: the coefficient is fixed."""
    gamma: float = 1.0
    gae_lambda: float = 0.95
    clip: float = 0.2
    value_clip: float = 0.2
    value_coefficient: float = 0.1
    whiten_advantages: bool = True
    """Of estimator "gae" alone; the others' are relative to their group already."""
    whiten_rewards: bool = False
    """Scale an iteration's token rewards to standard deviation 1, as some do; the paper does not. Of
    estimator "gae" alone."""
    estimator: Literal["gae", "rloo", "grpo"] = "gae"
    """Of advantages: "gae" is PPO with a value model. "rloo" (Ahmadian et al. 2024) and "grpo" (Shao et al.
    2024) have none: a response is compared with the others to its prompt. The KL penalty is in the rewards
    of "gae" and "rloo", and a term of the loss with "grpo"."""
    responses_per_prompt: int = 1
    """Episodes that share a prompt; at least 2 where they are compared with each other."""
    pretraining_coefficient: float = 0.0
    """gamma of PPO-ptx (3.5): weight of the pretraining loss, a mean over tokens as the policy's is; 27.8 in
    the paper, which does not say of what means. 0: plain PPO."""
    pretraining_per_episode: int = 8
    """Pretraining examples for each episode (C.4)."""
    max_pretraining_tokens: int = 1024
    temperature: float = 1.0
    max_prompt_tokens: int = 1024
    max_response_tokens: int = 1024
    eos_penalty: float = 1.0
    """Taken from the score of a response that was cut off before its end."""
    ema_decay: float = 0.992
    max_gradient_norm: float = 1.0


@dataclass(frozen=True)
class DpoSettings(Tuning):
    """Direct preference optimisation (Rafailov et al. 2023, arXiv 2305.18290) on rankings: a batch element is
    an item, and the reference is the policy it starts from."""

    epochs: float = 1.0
    batch_size: int = 64
    """Items, not pairs."""
    micro_batch_size: int = 0
    """Items in one forward; the gradients of a batch are added up. 0: the whole batch at once."""
    learning_rate: float = 5e-7
    warmup_steps: int = 0
    weight_decay: float = 0.0
    beta: float = 0.1
    """Nats of log-probability that count as one of reward."""
    ties: Literal["rao_kupper", "drop"] = "drop"
    tie_learning_rate: float = 1e-2
    max_prompt_tokens: int = 1024
    max_response_tokens: int = 1024


@dataclass(frozen=True)
class Server:
    """An OpenAI-compatible server that the operator has named; its key is in the environment alone."""

    name: str = ""
    """Empty: the policy writes in this process."""
    url: str = ""
    """The base address as OpenAI's clients take it, `https://host/v1`; /chat/completions is added."""
    model: str = ""
    timeout_seconds: float = 120.0
    """For one answer, from the first byte sent to the last one read."""
    parallel: int = 8
    """Requests under way at once."""
    price_in: float = 0.0
    """Of a million tokens read, in the operator's currency."""
    price_out: float = 0.0


@dataclass(frozen=True)
class GenerateSettings:
    """Sample K completions for each prompt, with the policy or on a server."""

    completions_per_prompt: int = 4
    temperature: float = 1.0
    top_p: float = 1.0
    max_prompt_tokens: int = 1024
    max_response_tokens: int = 1024
    batch_size: int = 64
    """Sequences sampled at once."""
    best_of: int = 1
    """Samples for each completion, of which a reward model's favourite is kept. Moves the policy by at most
    log n - (n - 1)/n nats (Beirami et al. 2024, arXiv 2401.01879)."""
    server: Server = field(default_factory=Server)


@dataclass(frozen=True)
class EvaluateSettings:
    """Sample a policy on held-out prompts at several temperatures (0 is greedy), measure its KL and how often
    it wins against the reference; answer task files."""

    temperatures: tuple[float, ...] = (1.0, 0.0)
    completions_per_prompt: int = 1
    max_prompts: int = 0
    """0: all."""
    max_prompt_tokens: int = 1024
    max_response_tokens: int = 1024
    batch_size: int = 64
    bootstrap: int = 1000
    """Resamples, by prompt, behind each interval of the report."""


Settings = SftSettings | RewardSettings | PpoSettings | DpoSettings | GenerateSettings | EvaluateSettings

SETTINGS: dict[Stage, type[Settings]] = {
    "sft": SftSettings,
    "reward": RewardSettings,
    "ppo": PpoSettings,
    "dpo": DpoSettings,
    "generate": GenerateSettings,
    "evaluate": EvaluateSettings,
}
