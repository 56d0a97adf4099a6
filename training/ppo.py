"""PPO: the policy learns to write what the reward model prefers, held near where it started (C.4).

With a pretraining corpus it is PPO-ptx (3.5); with an estimator that compares the responses to one prompt,
RLOO or GRPO, which have no value model.
"""

from __future__ import annotations

import copy
import random
from typing import Any, cast

import torch

from training import data
from training.checkpoints import load_policy, place, save_model
from training.contracts import ContractError, PpoSettings
from training.iteration import Trainer
from training.packing import read_unpadded
from training.pretraining import Corpus
from training.reward_model import load_reward_model, new_reward_model
from training.rollout import endless
from training.stage import Run, main
from training.tokens import reads_alike

FINAL_SAMPLES = 512


def improve(run: Run) -> dict[str, Any]:
    settings = cast(PpoSettings, run.config.settings)
    check(settings, has_corpus=run.has("pretraining.jsonl"), processes=run.group.size)

    # 1. The models.
    policy, tokenizer = load_policy(run.input("policy"))
    reward, reader = load_reward_model(run.input("reward"))
    alike = reads_alike(reader, tokenizer)
    place(policy, run.device)
    reward.to(run.device)

    # 2. The prompts, and the pretraining corpus. Held-out prompts stay unseen.
    prompts = data.load_prompts(run.input("prompts.jsonl"), tokenizer, settings.max_prompt_tokens)
    train = [prompt for prompt in prompts if prompt.split == "train"]
    held_out = [prompt for prompt in prompts if prompt.split == "valid"]
    if not train:
        raise ContractError("prompts.jsonl: no prompt of the train split")
    corpus = None
    if settings.pretraining_coefficient:
        corpus = Corpus(
            run.input("pretraining.jsonl"),
            tokenizer,
            settings.max_pretraining_tokens,
            run.config.seed,
            encoder_decoder=policy.config.is_encoder_decoder,
        )

    # 3. How they read rows, tried with the longest there may be. The value model reads the policy's tokens:
    # it starts as the reward model, or where that one reads others, as the policy with a fresh head.
    longest = max((prompt.ids for prompt in prompts), key=len)
    whole = [*longest, *[tokenizer.eos_token_id] * settings.max_response_tokens]
    for model in [policy, *(member.backbone for member in reward.alone if alike)]:
        read_unpadded(model, whole, tokenizer.pad_token_id)
    value = None
    if settings.estimator == "gae" and alike:
        value = copy.deepcopy(reward.first)
    elif settings.estimator == "gae":
        value = new_reward_model(run.input("policy"))[0].to(run.device)
        read_unpadded(value.backbone, whole, tokenizer.pad_token_id)

    # 4. Sample, score, learn.
    trainer = Trainer(
        settings,
        policy,
        value,
        tokenizer,
        reward,
        None if alike else reader,
        run.config.seed,
        corpus,
        run.group,
    )
    total = max(1, settings.episodes // settings.batch_size)
    asked = settings.batch_size // settings.responses_per_prompt
    queue = endless(train, random.Random(run.config.seed))
    run.checkpoints.load(trainer.parts)
    trainer.kl_coefficient = run.checkpoints.values.get("kl_coefficient", settings.kl_coefficient)
    for _ in range(run.checkpoints.step * asked):
        next(queue)
    for iteration in range(run.checkpoints.step + 1, total + 1):
        rollout = trainer.roll_out(
            [next(queue) for _ in range(asked)], iteration, settings.responses_per_prompt
        )
        figures = trainer.learn(rollout, iteration)
        run.log(
            iteration,
            total,
            loss=figures["policy_loss"],
            kl=rollout.kl.mean().item(),
            score=rollout.scores.mean().item(),
            length=rollout.mask.sum(dim=1).mean().item(),
            cut_off=rollout.cut_off.float().mean().item(),
            **figures,
        )
        run.checkpoints.keep(iteration, trainer.parts, kl_coefficient=trainer.kl_coefficient)

    # 5. Publish the averaged weights, measured on fresh samples of their own.
    fresh = endless(held_out or train, random.Random(run.config.seed))
    measured = [next(fresh) for _ in range(FINAL_SAMPLES)]
    trainer.average.publish()
    run.group.end()  # of several processes the first goes on alone
    parts = [
        trainer.roll_out(measured[start : start + settings.batch_size], total + 1 + start)
        for start in range(0, len(measured), settings.batch_size)
    ]
    kl = torch.cat([part.kl for part in parts])
    save_model(policy, tokenizer, run.outputs)
    return {
        "kl": kl.mean().item(),
        "kl_error": (kl.std() / len(kl) ** 0.5).item(),
        "score": torch.cat([part.scores for part in parts]).mean().item(),
        "length": torch.cat([part.mask.sum(dim=1) for part in parts]).mean().item(),
        "measured_on": "valid" if held_out else "train",
        "estimator": settings.estimator,
        "value_from": None if value is None else "reward" if alike else "policy",
        "kl_coefficient": trainer.kl_coefficient,
        "iterations": total,
        "episodes": total * settings.batch_size,
    }


def check(settings: PpoSettings, *, has_corpus: bool, processes: int = 1) -> None:
    """Raises ContractError, naming the setting, where settings contradict each other."""
    if settings.batch_size // settings.responses_per_prompt < processes:
        raise ContractError("settings.batch_size: a prompt for each process at least")
    minibatch = settings.minibatch_size
    if settings.kl_target and not settings.kl_coefficient:
        raise ContractError("settings.kl_coefficient: must be above 0 for kl_target to steer it")
    if settings.estimator != "gae" and settings.responses_per_prompt < 2:
        raise ContractError(f"settings.responses_per_prompt: {settings.estimator} compares 2 or more")
    if settings.estimator != "gae" and settings.whiten_rewards:
        raise ContractError(f"settings.whiten_rewards: not with {settings.estimator}, only with gae")
    if settings.batch_size % settings.responses_per_prompt:
        raise ContractError("settings.batch_size: must be a multiple of responses_per_prompt")
    if settings.batch_size > minibatch and settings.batch_size % minibatch:
        raise ContractError("settings.batch_size: must be a multiple of minibatch_size")
    if settings.pretraining_coefficient and not has_corpus:
        raise ContractError("settings.pretraining_coefficient: wants inputs/pretraining.jsonl")


if __name__ == "__main__":
    main("ppo", improve)
