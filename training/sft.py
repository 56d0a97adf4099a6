"""Supervised fine-tuning: the policy learns to write what labelers demonstrated (InstructGPT, C.1)."""

from __future__ import annotations

import math
import statistics
from itertools import islice
from typing import Any, cast

import torch
from transformers import PreTrainedModel

from training import data
from training.checkpoints import load_base, place, save_model
from training.contracts import ContractError, SftSettings
from training.devices import Spread
from training.families import response_logits
from training.optimizer import adam, cosine_to_tenth
from training.resume import Part
from training.sampling import log_probs_of, response_log_probs
from training.stage import Run, main
from training.tokens import Batch, collate
from training.tuning import autocast, trained, tune


def fine_tune(run: Run) -> dict[str, Any]:
    settings = cast(SftSettings, run.config.settings)

    # 1. The base model and the demonstrations.
    model, tokenizer = load_base(settings.base, run.input("base"), settings.dropout)
    tune(model, settings)
    place(model, run.device).train()
    splits = data.load_demonstrations(
        run.input("dataset.jsonl"), tokenizer, settings.max_prompt_tokens, settings.max_response_tokens
    )
    train, valid = splits["train"], splits["valid"][: settings.max_valid_rows]
    if not train:
        raise ContractError("dataset.jsonl: no demonstration of the train split")

    def batch_of(examples: list[data.Example]) -> Batch:
        prompts = [example.prompt for example in examples]
        responses = [example.response for example in examples]
        return collate(prompts, responses, tokenizer.pad_token_id, run.device)

    # 2. Train on the responses alone. Of several processes each takes a share of every batch.
    group = run.group
    spread = group.spread(model, model._no_split_modules or ())
    lengths = [len(example.prompt) + len(example.response) for example in train]
    total = settings.max_steps or data.total_steps(len(train), settings.batch_size, settings.epochs)
    optimizer = adam(trained(model), settings.learning_rate, settings.weight_decay)
    schedule = cosine_to_tenth(optimizer, settings.warmup_steps, total)
    batches = data.training_batches(lengths, settings.batch_size, total, run.config.seed)
    parts: dict[str, Part] = {"model": model, "optimizer": optimizer, "schedule": schedule}
    run.checkpoints.load(parts)
    losses: list[float] = run.checkpoints.values.get("losses", [])
    valid_loss = run.checkpoints.values.get("valid_loss", math.nan)
    for step, indices in islice(enumerate(batches, 1), run.checkpoints.step, None):
        examples = [train[index] for index in indices]
        tokens = sum(len(example.response) for example in examples)
        loss = 0.0
        for part, counted in group.parts(examples):
            batch = batch_of(part)
            with autocast(settings, run.device):
                log_probs = log_probs_of(spread(response_logits, batch), batch.responses)
            # A mean over the tokens of the whole batch, wherever they are.
            mean = -(log_probs * batch.response_mask).sum() / tokens * (counted > 0)
            spread.backward(mean)
            loss += mean.item()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad()
        schedule.step()
        losses += group.sum(loss)
        line: dict[str, float] = {"loss": losses[-1], "learning_rate": optimizer.param_groups[0]["lr"]}
        if valid and (step % settings.evaluate_every == 0 or step == total):
            valid_batches = data.batches_by_length(
                [len(example.prompt) for example in valid], settings.batch_size
            )
            with autocast(settings, run.device):
                valid_loss = mean_loss(spread, [batch_of([valid[i] for i in part]) for part in valid_batches])
            line["valid_loss"] = valid_loss
        run.log(step, total, **line)
        run.checkpoints.keep(step, parts, losses=losses, valid_loss=valid_loss)

    # 3. The model folder, which the first process writes.
    model = cast(PreTrainedModel, spread.whole())
    group.end()
    save_model(model, tokenizer, run.outputs)
    return {
        "loss": statistics.fmean(losses[-20:]),
        "valid_loss": valid_loss if valid else None,
        "steps": total,
        "demonstrations": len(train),
        "parameters": model.num_parameters(),
    }


def mean_loss(spread: Spread, batches: list[Batch]) -> float:
    """Nats a response token, dropout off."""
    spread.model.eval()
    nats = tokens = 0.0
    for (batch,), counted in spread.group.parts(batches, 1):
        nats -= counted * spread(response_log_probs, batch).sum().item()
        tokens += counted * batch.response_mask.sum().item()
    spread.model.train()
    nats, tokens = spread.group.sum(nats, tokens)
    return nats / tokens


if __name__ == "__main__":
    main("sft", fine_tune)
