"""Sample K completions for every prompt: what labelers rank next.

The policy writes them in this process, or a server that the operator has named; of every few a reward model
may keep its favourite. What was drawn is kept (answers.py): a run that was killed asks for the rest alone.
"""

from __future__ import annotations

import math
import os
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import replace
from statistics import fmean
from typing import Any, cast

from transformers import PreTrainedTokenizerBase

from training import data
from training.answers import Answer, Kept
from training.checkpoints import load_policy, place
from training.contracts import (
    INPUTS,
    SERVER_KEY,
    ContractError,
    GeneratedRow,
    GenerateSettings,
    PromptRow,
    row_bytes,
)
from training.data import Prompt
from training.judges import Judge
from training.noise import keyed, name_key
from training.sampling import Samples, sample_all
from training.servers import CHOICES_AT_ONCE, Client, ask_all
from training.stage import Run, main
from training.tokens import decode_response

COMPLETIONS = "completions.jsonl"
SCORED_AT_ONCE = 2048
"""Samples: enough to be sorted by length, few enough to see how far the scoring is."""


def generate(run: Run) -> dict[str, Any]:
    settings = cast(GenerateSettings, run.config.settings)
    prompts = data.load_rows(run.input("prompts.jsonl"), PromptRow)
    [(first, times)] = Counter(prompt.prompt for prompt in prompts).most_common(1)
    if times > 1:
        raise ContractError(f"prompts.jsonl: {first} is there {times} times")
    judge = None
    if run.has("reward"):
        judge = Judge(run, "reward", settings.max_prompt_tokens, settings.batch_size)
    elif settings.best_of > 1:
        raise ContractError(
            f"{INPUTS}/reward: missing; settings.best_of keeps the favourite of a reward model"
        )

    # 1. Draw what is not there yet.
    kept = Kept(run)
    copies = settings.completions_per_prompt * settings.best_of
    total = len(prompts) * (2 if judge else 1)
    draw = from_server if settings.server.name else from_policy
    done = log_drawn(run, kept, copies, total, done=0)
    for answer in draw(run, prompts, kept.counts):
        kept.add(answer)
        done = log_drawn(run, kept, copies, total, done)

    # 2. Score the samples, and keep the favourites.
    rows = in_order(prompts, kept.rows)
    if judge is not None:
        asked = {prompt.prompt: prompt.messages for prompt in prompts}
        scored: list[GeneratedRow] = []
        for start in range(0, len(rows), SCORED_AT_ONCE):
            some = rows[start : start + SCORED_AT_ONCE]
            scored += judge.judged(some, asked)
            run.log(len(prompts) + len(scored) // copies, total)
        rows = favourites(scored, settings.best_of)

    (run.outputs / COMPLETIONS).write_bytes(b"".join(map(row_bytes, rows)))
    return figures(settings, kept, rows)


def from_policy(run: Run, prompts: Sequence[PromptRow], counts: Counter[str]) -> Iterator[Answer]:
    """The policy's samples, a batch at a time. `counts` says how many a prompt has, which is all or none.

    Batches are cut from the prompts sorted by length, and those that are done were whole ones: the rest are
    what they would have been, so that not even rounding tells an interrupted run from another.
    """
    settings = cast(GenerateSettings, run.config.settings)
    if not run.has("policy"):
        raise ContractError(f"{INPUTS}/policy: missing, and settings.server names no server to write instead")
    todo = [prompt for prompt in prompts if not counts[prompt.prompt]]
    if not todo:
        return
    model, tokenizer = load_policy(run.input("policy"))
    place(model, run.device)
    asked = data.encode_prompts(todo, tokenizer, settings.max_prompt_tokens)
    drawn = sample_all(
        model,
        tokenizer,
        asked,
        limit=settings.max_response_tokens,
        batch_size=settings.batch_size,
        seed=run.config.seed,
        temperature=settings.temperature,
        top_p=settings.top_p,
        copies=settings.completions_per_prompt * settings.best_of,
    )
    for indices, samples in drawn:
        batch = [asked[index] for index in indices]
        rows = sampled_rows(
            batch,
            samples,
            tokenizer,
            temperature=settings.temperature,
            top_p=settings.top_p,
            seed=run.config.seed,
        )
        yield Answer(tuple(rows))


def from_server(run: Run, prompts: Sequence[PromptRow], counts: Counter[str]) -> Iterator[Answer]:
    """A server's samples, as they arrive. `counts` says how many a prompt has already."""
    settings = cast(GenerateSettings, run.config.settings)
    client = Client(settings.server, os.environ.get(SERVER_KEY, ""))
    copies = settings.completions_per_prompt * settings.best_of

    def ask(asked: tuple[PromptRow, int]) -> tuple[Answer, list[tuple[PromptRow, int]]]:
        prompt, has = asked
        seed = request_seed(run.config.seed, prompt.prompt, has)
        choices, usage = client.complete(
            prompt,
            n=min(copies - has, CHOICES_AT_ONCE),
            seed=seed,
            temperature=settings.temperature,
            top_p=settings.top_p,
            limit=settings.max_response_tokens,
        )
        rows = tuple(
            GeneratedRow(
                prompt=prompt.prompt,
                sample=number,
                text=choice.text,
                temperature=settings.temperature,
                top_p=settings.top_p,
                seed=seed,
                tokens=choice.tokens,
                finish=choice.finish,
                logprob=None,
            )
            for number, choice in enumerate(choices, has)
        )
        # Some servers write one completion, however many they are asked for.
        has += len(rows)
        return Answer(rows, usage), [(prompt, has)] if has < copies else []

    todo = [(prompt, counts[prompt.prompt]) for prompt in prompts if counts[prompt.prompt] < copies]
    yield from ask_all(client, todo, ask)


def request_seed(seed: int, prompt: str, first: int) -> int:
    """Of the request for a prompt's samples from `first` on; 31 bits, which every server takes."""
    return int(keyed(seed, name_key(prompt), first)) & 0x7FFF_FFFF


def sampled_rows(
    prompts: Sequence[Prompt],
    samples: Samples,
    tokenizer: PreTrainedTokenizerBase,
    *,
    temperature: float,
    top_p: float,
    seed: int,
) -> list[GeneratedRow]:
    """A row for every sample; those of a prompt stand together."""
    copies = len(samples.finished) // len(prompts)
    log_probs = samples.log_probs.sum(dim=1).tolist()
    finished = samples.finished.tolist()
    return [
        GeneratedRow(
            prompt=prompts[row // copies].public_id,
            sample=row % copies,
            text=decode_response(tokenizer, response),
            temperature=temperature,
            top_p=top_p,
            seed=seed,
            tokens=len(response),
            finish="eos" if finished[row] else "length",
            logprob=round(log_probs[row], 4),
        )
        for row, response in enumerate(samples.responses)
    ]


def in_order(prompts: Sequence[PromptRow], rows: Sequence[GeneratedRow]) -> list[GeneratedRow]:
    """By prompt as they were given, then by sample, in whatever order they were drawn."""
    by_prompt: dict[str, list[GeneratedRow]] = defaultdict(list)
    for row in rows:
        by_prompt[row.prompt].append(row)
    return [
        row
        for prompt in prompts
        for row in sorted(by_prompt[prompt.prompt], key=lambda row: row.sample)
    ]  # fmt: skip


def favourites(rows: Sequence[GeneratedRow], best_of: int) -> list[GeneratedRow]:
    """Of every `best_of` rows the one with the highest reward, the first among equals, numbered anew."""
    groups = [rows[start : start + best_of] for start in range(0, len(rows), best_of)]
    return [
        replace(max(group, key=lambda row: cast(float, row.reward)), sample=group[0].sample // best_of)
        for group in groups
    ]


def best_of_kl_bound(n: int) -> float:
    """Nats that the best of n is from the policy at most: log n - (n - 1)/n.

    Stated by Stiennon et al. 2020 (appendix G.3); that it is a bound, and seldom the value, was shown by
    Beirami et al. 2024 (arXiv 2401.01879). It holds for whatever picks.
    """
    return math.log(n) - (n - 1) / n


def log_drawn(run: Run, kept: Kept, copies: int, total: int, done: int) -> int:
    """A line of metrics if more prompts than `done` have all their samples; how many have now."""
    now = sum(count == copies for count in kept.counts.values())
    if now > done:
        settings = cast(GenerateSettings, run.config.settings)
        if settings.server.name:
            run.log(now, total, **spent(settings, kept))
        else:
            tokens = sum(cast(int, row.tokens) for row in kept.rows)
            run.log(now, total, tokens=tokens, mean_tokens=tokens / len(kept.rows))
    return now


def spent(settings: GenerateSettings, kept: Kept) -> dict[str, float]:
    usage = kept.usage
    return {
        "prompt_tokens": usage.prompt_tokens,
        "completion_tokens": usage.completion_tokens,
        "cost": round(usage.cost(settings.server), 6),
    }


def figures(settings: GenerateSettings, kept: Kept, rows: Sequence[GeneratedRow]) -> dict[str, Any]:
    """Of the whole run, by what it publishes; what a server was paid is of all that it wrote."""
    lengths = [row.tokens for row in rows if row.tokens is not None]
    found: dict[str, Any] = {
        "prompts": len(kept.counts),
        "completions": len(rows),
        "mean_tokens": fmean(lengths) if lengths else None,
        "cut_off": sum(row.finish == "length" for row in rows),
    }
    rewards = [row.reward for row in rows if row.reward is not None]
    if rewards:
        found["reward"] = fmean(rewards)
    if settings.best_of > 1:
        found |= {"best_of": settings.best_of, "best_of_kl_bound": best_of_kl_bound(settings.best_of)}
    if settings.server.name:
        found |= {"server": settings.server.name, **spent(settings, kept)}
        found["without_usage"] = kept.usage.without_usage
    return found


if __name__ == "__main__":
    main("generate", generate)
