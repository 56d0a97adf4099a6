"""The reward model learns from rankings which completions labelers prefer (InstructGPT, 3.5 and C.2)."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from typing import Any, cast

import torch
from torch import Tensor
from transformers import PreTrainedTokenizerBase

from training import data
from training.contracts import ContractError, RewardSettings, write_json
from training.data import Example, Item
from training.reward_losses import kwise_loss, kwise_pairs
from training.optimizer import adam, cosine_to_tenth
from training.reward_model import RewardModel, new_reward_model
from training.reward_report import accuracy_report
from training.stage import Run, main
from training.tokens import collate


def train_reward(run: Run) -> dict[str, Any]:
    settings = cast(RewardSettings, run.config.settings)

    # 1. The backbone and the items.
    model, tokenizer = new_reward_model(run.input("base"))
    model.to(run.device)
    limits = settings.max_prompt_tokens, settings.max_response_tokens
    dataset = data.load_items(run.input("dataset.jsonl"), tokenizer, *limits)
    train = [item for item in dataset.items if item.split == "train"]
    held_out = [item for item in dataset.items if item.split != "train"]
    if not train:
        raise ContractError("dataset.jsonl: no ranked item of the train split")

    # 2. Train: each completion is read once, however many pairs it is in. Dropout stays off.
    lengths = [len(item.responses) * (len(item.prompt) + max(map(len, item.responses))) for item in train]
    total = data.total_steps(len(train), settings.batch_size, settings.epochs)
    optimizer = adam(model.parameters(), settings.learning_rate, settings.weight_decay)
    schedule = cosine_to_tenth(optimizer, settings.warmup_steps, total)
    batches = data.training_batches(lengths, settings.batch_size, total, run.config.seed)
    losses: list[float] = []
    for step, indices in enumerate(batches, 1):
        items = [train[index] for index in indices]
        pairs = kwise_pairs([item.orders for item in items])
        scores = model(collate(*flatten(items), tokenizer.pad_token_id, run.device))
        loss = kwise_loss(scores, pairs)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad()
        schedule.step()
        losses.append(loss.item())
        # An equal margin everywhere: how often the model agrees with the pairs it is about to learn.
        margins = (scores[pairs.winners] - scores[pairs.losers]).detach()
        run.log(
            step,
            total,
            loss=losses[-1],
            accuracy=(margins > 0).float().mean().item() if pairs.winners else 0.5,
            learning_rate=optimizer.param_groups[0]["lr"],
        )

    # 3. Centre the scores on demonstrations, or on the completions where there are none.
    limit = settings.max_demonstrations
    if run.has("demonstrations.jsonl"):
        centred_on = "demonstrations"
        splits = data.load_demonstrations(run.input("demonstrations.jsonl"), tokenizer, *limits)
        examples = splits["train"] or splits["valid"] or splits["test"]
    else:
        centred_on = "completions"
        examples = [Example(item.prompt, response) for item in train for response in item.responses]
    order = torch.randperm(len(examples), generator=torch.Generator().manual_seed(run.config.seed))
    chosen = [examples[index] for index in order[: limit or None].tolist()]
    model.centre(score_all(model, tokenizer, chosen, settings.batch_size))

    # 4. How well it predicts rankings that it has not seen, beside how well labelers predict each other.
    responses = [Example(item.prompt, response) for item in held_out for response in item.responses]
    scores = score_all(model, tokenizer, responses, settings.batch_size)
    by_item = scores.split([len(item.responses) for item in held_out]) if held_out else ()
    report: dict[str, Any] = {
        **accuracy_report(
            held_out, [part.tolist() for part in by_item], dataset.items, settings.bootstrap, run.config.seed
        ),
        "skipped_all_bad": dataset.skipped_all_bad,
        "centred_on": centred_on,
        "bias": model.bias.item(),
        "scale": model.scale.item(),
    }
    model.save(tokenizer, run.outputs)
    write_json(run.outputs / "report.json", report)
    return {"loss": statistics.fmean(losses[-20:]), "steps": total, "train_items": len(train), **report}


def flatten(items: Sequence[Item]) -> tuple[list[list[int]], list[list[int]]]:
    """The prompts and responses of the items' completions, laid end to end."""
    prompts = [item.prompt for item in items for _ in item.responses]
    return prompts, [response for item in items for response in item.responses]


@torch.no_grad()
def score_all(
    model: RewardModel, tokenizer: PreTrainedTokenizerBase, examples: Sequence[Example], batch_size: int
) -> Tensor:
    """[N] scores, on the CPU."""
    scores = torch.zeros(len(examples))
    lengths = [len(example.prompt) + len(example.response) for example in examples]
    for indices in data.batches_by_length(lengths, batch_size):
        prompts = [examples[index].prompt for index in indices]
        responses = [examples[index].response for index in indices]
        batch = collate(prompts, responses, tokenizer.pad_token_id, model.head.weight.device)
        scores[indices] = model(batch).cpu()
    return scores


if __name__ == "__main__":
    main("reward", train_reward)
