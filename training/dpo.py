"""Direct preference optimisation: the policy learns from rankings without a reward model in between.

Rafailov et al. 2023 (arXiv 2305.18290): the reward under which a policy is the best near a reference is
β (log π - log π_ref). That implicit reward stands where the reward model's score stands in reward.py: all
pairs of a ranking at 1 / C(K, 2), a batch element is an item, ties as the settings say. The reference is the
policy as it starts, whose log-probabilities are taken once, so that one model is in memory.
"""

from __future__ import annotations

import statistics
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import islice
from typing import Any, cast

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from training import data
from training.checkpoints import load_policy, place, save_model
from training.contracts import ContractError, DpoSettings
from training.data import Item, Prompt
from training.families import response_logits
from training.optimizer import adam, cosine_to_tenth
from training.prefix import flatten, row_tokens
from training.resume import Part
from training.reward_losses import agreeing, eta_of, kwise_loss, kwise_pairs, rho_from_tie_rate, tie_rate
from training.sampling import log_probs_of, response_log_probs, sample_all
from training.stage import Run, main
from training.tokens import collate
from training.tuning import adapters_off, autocast, trained, tune
from training.votes import Counting, accuracy, votes_of

RESAMPLES = 1000
"""Behind the interval of the held-out accuracy."""
KL_PROMPTS = 256
"""How many held-out prompts the KL is measured on, a response each."""


def prefer(run: Run) -> dict[str, Any]:
    settings = cast(DpoSettings, run.config.settings)

    # 1. The policy and the items. Dropout stays off, also where training mode checkpoints activations.
    policy, tokenizer = load_policy(run.input("policy"))
    tune(policy, settings)
    place(policy, run.device).train(settings.gradient_checkpointing)
    pad = tokenizer.pad_token_id
    limits = settings.max_prompt_tokens, settings.max_response_tokens
    dataset = data.load_items(run.input("dataset.jsonl"), tokenizer, *limits)
    train = [item for item in dataset.items if item.split == "train"]
    held_out = [item for item in dataset.items if item.split != "train"]
    if not train:
        raise ContractError("dataset.jsonl: no ranked item of the train split")

    # 2. What the reference says of every completion, while the policy still is the reference.
    with adapters_off(policy):
        reference = log_probs_of_each(policy, train, pad, settings)
        held_out_reference = log_probs_of_each(policy, held_out, pad, settings)

    # 3. Each completion is read once, however many pairs it is in.
    own = trained(policy)
    groups: list[dict[str, Any]] = [{"params": own}]
    parts: dict[str, Part] = {"policy": policy}
    rho: nn.Parameter | None = None
    if settings.ties == "rao_kupper":
        start = rho_from_tie_rate(tie_rate([item.orders for item in train]))
        rho = nn.Parameter(torch.tensor(start, device=run.device))
        groups.append({"params": [rho], "lr": settings.tie_learning_rate, "weight_decay": 0.0})
        parts["ties"] = nn.ParameterDict({"rho": rho})
    steps = data.total_steps(len(train), settings.batch_size, settings.epochs)
    optimizer = adam(groups, settings.learning_rate, settings.weight_decay)
    schedule = cosine_to_tenth(optimizer, settings.warmup_steps, steps)
    lengths = [row_tokens(item) for item in train]
    batches = data.training_batches(lengths, settings.batch_size, steps, run.config.seed)
    parts |= {"optimizer": optimizer, "schedule": schedule}
    run.checkpoints.load(parts)
    losses: list[float] = run.checkpoints.values.get("losses", [])
    for step, indices in islice(enumerate(batches, 1), run.checkpoints.step, None):
        loss, agreed, ordered = 0.0, 0.0, 0
        size = settings.micro_batch_size or len(indices)
        for part in (indices[at : at + size] for at in range(0, len(indices), size)):
            items = [train[index] for index in part]
            pairs = kwise_pairs([item.orders for item in items])
            with autocast(settings, run.device):
                log_probs = log_probs_of_items(policy, items, pad)
            rewards = settings.beta * (log_probs - torch.cat([reference[index] for index in part]))
            mean = kwise_loss(rewards, pairs, None if rho is None else eta_of(rho))
            mean = mean * len(part) / len(indices)
            mean.backward()
            loss += mean.item()
            right, told = agreeing(rewards, pairs)
            agreed, ordered = agreed + right, ordered + told
        torch.nn.utils.clip_grad_norm_(own, 1.0)
        optimizer.step()
        optimizer.zero_grad()
        schedule.step()
        losses.append(loss)
        line = {
            "loss": loss,
            "accuracy": agreed / ordered if ordered else 0.5,
            "learning_rate": optimizer.param_groups[0]["lr"],
        }
        if rho is not None:
            line["theta"] = theta(rho)
        run.log(step, steps, **line)
        run.checkpoints.keep(step, parts, losses=losses)

    # 4. How well the implicit reward predicts rankings that it has not seen, and how far the policy went.
    policy.eval()
    del optimizer, schedule, parts  # the reference needs the room
    report: dict[str, Any] = {"accuracy": None, "accuracy_low": None, "accuracy_high": None, "pairs": 0}
    report |= {"kl": None, "kl_error": None}
    if held_out:
        after = log_probs_of_each(policy, held_out, pad, settings)
        scores = [(settings.beta * (a - b)).tolist() for a, b in zip(after, held_out_reference, strict=True)]
        share = accuracy(votes_of(held_out, scores), Counting(RESAMPLES, run.config.seed))
        report |= dict(zip(("accuracy", "accuracy_low", "accuracy_high", "pairs"), share, strict=True))
        kls = kl_samples(run, policy, tokenizer, held_out)
        report["kl"] = kls.mean().item()
        report["kl_error"] = kls.std().item() / len(kls) ** 0.5 if len(kls) > 1 else 0.0
    save_model(policy, tokenizer, run.outputs)
    return {
        "loss": statistics.fmean(losses[-20:]),
        "steps": steps,
        "train_items": len(train),
        "held_out_items": len(held_out),
        "skipped_all_bad": dataset.skipped_all_bad,
        "theta": None if rho is None else theta(rho),
        **report,
    }


def log_probs_of_items(policy: PreTrainedModel, items: Sequence[Item], pad: int) -> Tensor:
    """[N] log-probability of every completion, nats, items end to end."""
    batch = collate(*flatten(items), pad, policy.device)
    return batch.laid_out(log_probs_of(response_logits(policy, batch), batch.targets)).sum(dim=1)


@torch.no_grad()
def log_probs_of_each(
    policy: PreTrainedModel, items: Sequence[Item], pad: int, settings: DpoSettings
) -> list[Tensor]:
    """For each item, [K] the log-probabilities of its completions."""
    found: list[Tensor] = [torch.empty(0)] * len(items)
    size = settings.micro_batch_size or settings.batch_size
    for indices in data.batches_by_length([row_tokens(item) for item in items], size):
        some = [items[index] for index in indices]
        with autocast(settings, policy.device):
            log_probs = log_probs_of_items(policy, some, pad)
        for index, part in zip(indices, log_probs.split([len(i.responses) for i in some]), strict=True):
            found[index] = part
    return found


@contextmanager
def reference_of(run: Run, policy: PreTrainedModel) -> Iterator[PreTrainedModel]:
    """The policy as it started: its adapters off, or where all weights have moved, loaded again."""
    if cast(DpoSettings, run.config.settings).lora_rank:
        with adapters_off(policy):
            yield policy
    else:
        yield place(load_policy(run.input("policy"))[0], run.device)


def kl_samples(
    run: Run, policy: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, items: Sequence[Item]
) -> Tensor:
    """[N] log π - log π_ref of a response that π draws to each prompt, nats: their mean estimates the KL."""
    settings = cast(DpoSettings, run.config.settings)
    distinct = {item.prompt_id: Prompt(item.prompt_id, item.split, (), item.prompt) for item in items}
    prompts = list(distinct.values())[:KL_PROMPTS]
    drawn = list(
        sample_all(
            policy,
            tokenizer,
            prompts,
            limit=settings.max_response_tokens,
            batch_size=settings.batch_size,
            seed=run.config.seed,
        )
    )
    found = []
    with reference_of(run, policy) as reference:
        for indices, samples in drawn:
            asked = [prompts[index].ids for index in indices]
            batch = collate(asked, samples.responses, tokenizer.pad_token_id, run.device)
            found.append(samples.log_probs.sum(dim=1) - response_log_probs(reference, batch).sum(dim=1))
    return torch.cat(found)


def theta(rho: Tensor) -> float:
    return float(eta_of(rho.detach()).exp())


if __name__ == "__main__":
    main("dpo", prefer)
