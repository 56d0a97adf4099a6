"""Supervised fine-tuning: the policy learns to write what labelers demonstrated (InstructGPT, C.1)."""

from __future__ import annotations

import dataclasses
import statistics
from collections.abc import Sequence
from itertools import islice
from typing import Any, cast

import torch
from transformers import PreTrainedModel

from training import data
from training.checkpoints import load_base, place, save_model
from training.choice import Best, judge_of
from training.contracts import ContractError, SftSettings
from training.data import Example
from training.devices import Spread
from training.optimizer import adam, cosine_to_tenth
from training.packing import Packing
from training.pretraining import Corpus, language_loss
from training.resume import Part
from training.stage import Run, main
from training.tuning import autocast, trained, tune


def fine_tune(run: Run) -> dict[str, Any]:
    settings = cast(SftSettings, run.config.settings)

    # 1. The base model, the demonstrations, and a corpus to mix in.
    model, tokenizer = load_base(settings.base, run.input("base"), settings.dropout)
    tune(model, settings)
    place(model, run.device).train()
    limits = settings.max_prompt_tokens, settings.max_response_tokens
    splits = data.load_demonstrations(run.input("dataset.jsonl"), tokenizer, *limits)
    train, valid = splits["train"], splits["valid"][: settings.max_valid_rows]
    if not train:
        raise ContractError("dataset.jsonl: no demonstration of the train split")
    mixed = mixed_examples(settings)
    corpus = None
    if mixed:
        if not run.has("pretraining.jsonl"):
            raise ContractError(
                "inputs/pretraining.jsonl: missing, but settings.pretraining_share is above 0"
            )
        corpus = Corpus(
            run.input("pretraining.jsonl"),
            tokenizer,
            sum(limits),
            run.config.seed,
            encoder_decoder=model.config.is_encoder_decoder,
        )
    pad = tokenizer.pad_token_id
    attention = model.config._attn_implementation
    packing = Packing(model, train, pad, settings.pack_tokens if settings.packing == "auto" else 0)
    packed_attention = model.config._attn_implementation

    # 2. Who says which step was the best.
    judge = None
    if run.has("reward") and settings.checkpoint == "best":
        judge = judge_of(
            run,
            tokenizer,
            max_prompts=settings.max_valid_rows,
            prompt_limit=settings.max_prompt_tokens,
            response_limit=settings.max_response_tokens,
            batch_size=settings.batch_size,
        )
    by_loss = valid and settings.checkpoint == "best"
    best = Best(model, "reward" if judge else "valid_loss" if by_loss else "last")

    # 3. Train on the responses alone, and on all of the corpus. Of several processes each takes a share of
    # every batch, and a loss is a mean over the tokens of the whole batch, wherever they are.
    group = run.group
    spread = group.spread(model, model._no_split_modules or ())
    demonstrated = settings.batch_size - mixed
    lengths = [len(example.prompt) + len(example.response) for example in train]
    total = settings.max_steps or data.total_steps(len(train), demonstrated, settings.epochs)
    optimizer = adam(trained(model), settings.learning_rate, settings.weight_decay)
    schedule = cosine_to_tenth(optimizer, settings.warmup_steps, total)
    batches = data.training_batches(lengths, demonstrated, total, run.config.seed)
    parts: dict[str, Part] = {"model": model, "optimizer": optimizer, "schedule": schedule, "best": best}
    run.checkpoints.load(parts)
    losses: list[float] = run.checkpoints.values.get("losses", [])
    for step, indices in islice(enumerate(batches, 1), run.checkpoints.step, None):
        share = mixed / settings.batch_size
        examples = [train[index] for index in indices]
        tokens = sum(len(example.response) for example in examples)
        found = 0.0
        for part, counted in group.parts(examples):
            with autocast(settings, run.device):
                log_probs = spread(packing.log_probs, part)
            loss = -log_probs.sum() / tokens * (counted > 0)
            spread.backward((1 - share) * loss)
            found += loss.item()
        losses += group.sum(found)
        line: dict[str, float] = {"loss": losses[-1], "learning_rate": optimizer.param_groups[0]["lr"]}
        if corpus:
            batch, found = corpus.batch(step, mixed, pad, run.device), 0.0
            for rows, counted in group.parts(range(mixed)):
                some = batch.rows(torch.tensor(rows, device=run.device))
                weight = (counted > 0) * (some.response_mask.sum() / batch.response_mask.sum()).item()
                with autocast(settings, run.device):
                    corpus_loss = spread(language_loss, some) * weight
                spread.backward(share * corpus_loss)
                found += corpus_loss.item()
            (line["pretraining_loss"],) = group.sum(found)
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad()
        schedule.step()
        if step % settings.evaluate_every == 0 or step == total:
            figures: dict[str, float] = {}
            with autocast(settings, run.device):
                if valid:
                    figures["valid_loss"] = mean_loss(spread, packing, valid, settings.batch_size)
                if judge:
                    # Sampling reads token by token, which FlexAttention is not made for.
                    model.set_attn_implementation(attention)
                    figures["reward"] = spread(judge.reward)
                    model.set_attn_implementation(packed_attention)
            line |= figures
        run.log(step, total, **line)
        if step % settings.evaluate_every == 0 or step == total:
            best.offer(step, figures)
        run.checkpoints.keep(step, parts, losses=losses)

    # 4. The model folder.
    best.restore()
    model = cast(PreTrainedModel, spread.whole())
    group.end()  # of several processes the first goes on alone
    save_model(model, tokenizer, run.outputs)
    return {
        "loss": statistics.fmean(losses[-20:]),
        "valid_loss": best.figures.get("valid_loss"),
        "reward": best.figures.get("reward"),
        "chosen_step": best.step,
        "chosen_by": best.by,
        "steps": total,
        "demonstrations": len(train),
        "packing": dataclasses.asdict(packing.sharing),
        "parameters": model.num_parameters(),
    }


def mixed_examples(settings: SftSettings) -> int:
    """How many examples of a batch are corpus text. Raises ContractError if the share leaves no others."""
    if not settings.pretraining_share:
        return 0
    mixed = max(1, round(settings.pretraining_share * settings.batch_size))
    if settings.pretraining_share >= 1 or mixed >= settings.batch_size:
        raise ContractError(
            f"settings.pretraining_share: {settings.pretraining_share} of a batch of {settings.batch_size} "
            "leaves no demonstration"
        )
    return mixed


def mean_loss(spread: Spread, packing: Packing, examples: Sequence[Example], batch_size: int) -> float:
    """Nats a response token, dropout off."""
    spread.model.eval()
    nats = tokens = 0.0
    lengths = [len(example.prompt) + len(example.response) for example in examples]
    with torch.no_grad():
        batches = list(data.batches_by_length(lengths, batch_size))
        for (part,), counted in spread.group.parts(batches, 1):
            log_probs = spread(packing.log_probs, [examples[index] for index in part])
            nats -= counted * log_probs.sum().item()
            tokens += counted * len(log_probs)
    spread.model.train()
    nats, tokens = spread.group.sum(nats, tokens)
    return nats / tokens


if __name__ == "__main__":
    main("sft", fine_tune)
