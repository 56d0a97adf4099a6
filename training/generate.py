"""Sample K completions for every prompt: what labelers rank next."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, BinaryIO, cast

from transformers import PreTrainedTokenizerBase

from training import data
from training.checkpoints import load_policy, place
from training.contracts import GeneratedRow, GenerateSettings, row_bytes
from training.data import Prompt
from training.sampling import Samples, sample_all
from training.stage import Run, main
from training.tokens import decode_response

COMPLETIONS = "completions.jsonl"


def generate(run: Run) -> dict[str, Any]:
    settings = cast(GenerateSettings, run.config.settings)
    model, tokenizer = load_policy(run.input("policy"))
    place(model, run.device)
    prompts = data.load_prompts(run.input("prompts.jsonl"), tokenizer, settings.max_prompt_tokens)

    copies = settings.completions_per_prompt
    drawn = sample_all(
        model,
        tokenizer,
        prompts,
        limit=settings.max_response_tokens,
        batch_size=settings.batch_size,
        seed=run.config.seed,
        temperature=settings.temperature,
        top_p=settings.top_p,
        copies=copies,
    )
    done = tokens = finished = 0
    with (run.outputs / COMPLETIONS).open("wb") as file:
        written = write_samples(
            file,
            drawn,
            prompts,
            tokenizer,
            temperature=settings.temperature,
            top_p=settings.top_p,
            seed=run.config.seed,
        )
        for indices, samples in written:
            done += len(indices)
            tokens += int(samples.mask.sum())
            finished += int(samples.finished.sum())
            run.log(done, len(prompts), tokens=tokens, mean_tokens=tokens / (done * copies))
    return {
        "prompts": done,
        "completions": done * copies,
        "mean_tokens": tokens / (done * copies),
        "cut_off": done * copies - finished,
    }


def write_samples(
    file: BinaryIO,
    drawn: Iterable[tuple[list[int], Samples]],
    prompts: Sequence[Prompt],
    tokenizer: PreTrainedTokenizerBase,
    *,
    temperature: float,
    top_p: float,
    seed: int,
    score: Callable[[list[int], list[list[int]]], list[float]] | None = None,
) -> Iterator[tuple[list[int], Samples]]:
    """Write a GeneratedRow for every sample as it is drawn, and pass the samples on.

    `score` gives each response its reward; it is called with the index of each one's prompt, and them.
    """
    for indices, samples in drawn:
        responses = samples.responses
        copies = len(responses) // len(indices)
        log_probs = samples.log_probs.sum(dim=1).tolist()
        finished = samples.finished.tolist()
        places = [index for index in indices for _ in range(copies)]
        rewards: list[float] | list[None] = score(places, responses) if score else [None] * len(responses)
        for row, response in enumerate(responses):
            generated = GeneratedRow(
                prompt=prompts[places[row]].public_id,
                sample=row % copies,
                text=decode_response(tokenizer, response),
                temperature=temperature,
                top_p=top_p,
                seed=seed,
                tokens=len(response),
                finish="eos" if finished[row] else "length",
                logprob=round(log_probs[row], 4),
                reward=rewards[row],
            )
            file.write(row_bytes(generated))
        yield indices, samples


if __name__ == "__main__":
    main("generate", generate)
