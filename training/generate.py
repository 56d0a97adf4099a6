"""Sample K completions for every prompt: what labelers rank next."""

from __future__ import annotations

from typing import Any, cast

from training import data
from training.checkpoints import load_policy
from training.contracts import GeneratedRow, GenerateSettings, row_bytes
from training.sampling import Samples, sample_all
from training.stage import Run, main
from training.tokens import decode_response


def generate(run: Run) -> dict[str, Any]:
    settings = cast(GenerateSettings, run.config.settings)
    model, tokenizer = load_policy(run.input("policy"))
    model.to(run.device)
    prompts = data.load_prompts(run.input("prompts.jsonl"), tokenizer, settings.max_prompt_tokens)

    copies = settings.completions_per_prompt
    drawn = sample_all(
        model,
        tokenizer,
        [prompt.ids for prompt in prompts],
        limit=settings.max_response_tokens,
        batch_size=settings.batch_size,
        generator=run.generator(),
        temperature=settings.temperature,
        top_p=settings.top_p,
        copies=copies,
    )
    done, tokens, finished = 0, 0, 0
    with (run.outputs / "completions.jsonl").open("wb") as completions:
        for indices, samples in drawn:
            texts = [decode_response(tokenizer, response) for response in samples.responses]
            for place, text in enumerate(texts):
                completions.write(
                    row_bytes(
                        generated_row(
                            samples,
                            place,
                            text,
                            prompt=prompts[indices[place // copies]].public_id,
                            sample=place % copies,
                            temperature=settings.temperature,
                            top_p=settings.top_p,
                            seed=run.config.seed,
                        )
                    )
                )
            done += len(indices)
            tokens += int(samples.mask.sum())
            finished += int(samples.finished.sum())
            run.log(done, len(prompts), tokens=tokens, mean_tokens=tokens / (done * copies))
    return {
        "prompts": len(prompts),
        "completions": len(prompts) * copies,
        "mean_tokens": tokens / (len(prompts) * copies),
        "cut_off": len(prompts) * copies - finished,
    }


def generated_row(
    samples: Samples,
    place: int,
    text: str,
    *,
    prompt: str,
    sample: int,
    temperature: float,
    top_p: float,
    seed: int,
) -> GeneratedRow:
    """The row of one sample; `place` is its row in `samples`."""
    return GeneratedRow(
        prompt=prompt,
        sample=sample,
        text=text,
        temperature=temperature,
        top_p=top_p,
        seed=seed,
        tokens=int(samples.mask[place].sum()),
        finish="eos" if samples.finished[place] else "length",
        logprob=round(float(samples.log_probs[place].sum()), 4),
    )


if __name__ == "__main__":
    main("generate", generate)
