"""Supervised fine-tuning: the policy learns to write what labelers demonstrated (InstructGPT, C.1)."""

from __future__ import annotations

import dataclasses
import statistics
import sys
from collections.abc import Sequence
from itertools import islice
from typing import Any, cast

import torch
from torch import Tensor
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from training import data
from training.checkpoints import load_base, place, save_model
from training.choice import Best, Judge
from training.contracts import ContractError, SftSettings
from training.data import Example
from training.families import response_logits
from training.optimizer import adam, cosine_to_tenth
from training.packing import lay_out, pack, packed_log_probs, try_packing
from training.prefix import Sharing
from training.pretraining import Corpus
from training.resume import Part
from training.sampling import log_probs_of
from training.stage import Run, main
from training.tokens import collate
from training.tuning import autocast, trained, tune


def fine_tune(run: Run) -> dict[str, Any]:
    settings = cast(SftSettings, run.config.settings)

    # 1. The base model, the demonstrations, and what is learned and judged beside them.
    model, tokenizer = load_base(settings.base, run.input("base"), settings.dropout)
    tune(model, settings)
    place(model, run.device).train()
    splits = data.load_demonstrations(
        run.input("dataset.jsonl"), tokenizer, settings.max_prompt_tokens, settings.max_response_tokens
    )
    train, valid = splits["train"], splits["valid"][: settings.max_valid_rows]
    if not train:
        raise ContractError("dataset.jsonl: no demonstration of the train split")
    corpus, mixed = pretraining_mix(run, tokenizer, model.config.is_encoder_decoder)
    judge, chosen_by = judged_by(run, tokenizer, bool(valid))

    # 2. Train on the responses alone.
    learner = Learner(run, model, tokenizer.pad_token_id, train)
    lengths = [len(example.prompt) + len(example.response) for example in train]
    size = settings.batch_size - mixed
    total = settings.max_steps or data.total_steps(len(train), size, settings.epochs)
    optimizer = adam(trained(model), settings.learning_rate, settings.weight_decay)
    schedule = cosine_to_tenth(optimizer, settings.warmup_steps, total)
    batches = data.training_batches(lengths, size, total, run.config.seed)
    best = Best(model)
    parts: dict[str, Part] = {"model": model, "optimizer": optimizer, "schedule": schedule, "best": best}
    run.checkpoints.load(parts)
    losses: list[float] = run.checkpoints.values.get("losses", [])
    figures: dict[str, float] = run.checkpoints.values.get("figures", {})
    for step, indices in islice(enumerate(batches, 1), run.checkpoints.step, None):
        share = settings.pretraining_share if corpus else 0.0
        losses.append(learner.gradients([train[index] for index in indices], 1 - share))
        line: dict[str, float] = {"loss": losses[-1], "learning_rate": optimizer.param_groups[0]["lr"]}
        if corpus:
            line["pretraining_loss"] = learner.gradients(corpus.examples(step, mixed), share)
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad()
        schedule.step()
        if valid and (step % settings.evaluate_every == 0 or step == total):
            figures = {"valid_loss": learner.mean_loss(valid)}
            if judge:
                figures["reward"] = judge(model)
            if chosen_by != "last":
                best.offer(step, figures["reward"] if judge else -figures["valid_loss"], figures)
            line |= figures
        run.log(step, total, **line)
        run.checkpoints.keep(step, parts, losses=losses, figures=figures)

    # 3. The model folder.
    if chosen_by != "last":
        best.restore()
        figures = best.figures
    save_model(model, tokenizer, run.outputs)
    return {
        "loss": statistics.fmean(losses[-20:]),
        "valid_loss": figures.get("valid_loss"),
        "reward": figures.get("reward"),
        "chosen_step": total if chosen_by == "last" else best.step,
        "chosen_by": chosen_by,
        "steps": total,
        "demonstrations": len(train),
        "parameters": model.num_parameters(),
        "packing": dataclasses.asdict(learner.packing),
    }


class Learner:
    """The model and how it reads examples: packed where that is safe, else padded."""

    def __init__(self, run: Run, model: PreTrainedModel, pad: int, train: Sequence[Example]) -> None:
        self.model, self.pad, self.device = model, pad, run.device
        self.settings = cast(SftSettings, run.config.settings)
        self.packing = Sharing(False, None, "turned off")
        if self.settings.packing == "auto":
            self.packing = try_packing(model, train, pad)

    def gradients(self, examples: Sequence[Example], weight: float) -> float:
        """Add up the gradients of weight times the mean nats a response token; returns the mean.

        The mean is over the tokens of all examples, however they are packed.
        """
        tokens = sum(len(example.response) for example in examples)
        mean = 0.0
        for row in pack(examples, self.settings.pack_tokens) if self.packing.used else [examples]:
            with autocast(self.settings, self.device):
                loss = -self.log_prob(row) / tokens
            (weight * loss).backward()
            mean += loss.item()
        return mean

    @torch.no_grad()
    def mean_loss(self, examples: Sequence[Example]) -> float:
        """Nats a response token, dropout off."""
        self.model.eval()
        nats = 0.0
        for row in self._rows(examples):
            with autocast(self.settings, self.device):
                nats -= self.log_prob(row).item()
        self.model.train()
        return nats / sum(len(example.response) for example in examples)

    def log_prob(self, examples: Sequence[Example]) -> Tensor:
        """Of all response tokens together, nats."""
        if self.packing.used:
            return packed_log_probs(self.model, lay_out(examples, self.device)).sum()
        prompts, responses = [one.prompt for one in examples], [one.response for one in examples]
        batch = collate(prompts, responses, self.pad, self.device)
        return (log_probs_of(response_logits(self.model, batch), batch.responses) * batch.response_mask).sum()

    def _rows(self, examples: Sequence[Example]) -> list[list[Example]]:
        if self.packing.used:
            return pack(examples, self.settings.pack_tokens)
        lengths = [len(example.prompt) for example in examples]
        parts = data.batches_by_length(lengths, self.settings.batch_size)
        return [[examples[index] for index in part] for part in parts]


def pretraining_mix(
    run: Run, tokenizer: PreTrainedTokenizerBase, encoder_decoder: bool
) -> tuple[Corpus | None, int]:
    """The corpus, and how many of a batch's examples are from it. Raises ContractError."""
    settings = cast(SftSettings, run.config.settings)
    if not settings.pretraining_share:
        return None, 0
    if not run.has("pretraining.jsonl"):
        raise ContractError("settings.pretraining_share: inputs/pretraining.jsonl is missing")
    mixed = max(1, round(settings.pretraining_share * settings.batch_size))
    if mixed >= settings.batch_size:
        raise ContractError("settings.pretraining_share: leaves no demonstration in a batch")
    limit = settings.max_prompt_tokens + settings.max_response_tokens
    path = run.input("pretraining.jsonl")
    return Corpus(path, tokenizer, limit, run.config.seed, encoder_decoder=encoder_decoder), mixed


def judged_by(run: Run, tokenizer: PreTrainedTokenizerBase, has_valid: bool) -> tuple[Judge | None, str]:
    """Who chooses the step that is published, and by what: "reward", "valid_loss" or "last"."""
    if cast(SftSettings, run.config.settings).checkpoint == "last" or not has_valid:
        return None, "last"
    if run.has("reward"):
        judge = Judge(run, tokenizer)
        if judge.prompts:
            return judge, "reward"
        print("The reward model knows every held-out prompt: validation loss decides", file=sys.stderr)
    return None, "valid_loss"


if __name__ == "__main__":
    main("sft", fine_tune)
