"""Sample a policy on held-out prompts at several temperatures; measure its KL, its length and its reward."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

import torch
from torch import Tensor
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from training import data
from training.checkpoints import load_policy, place
from training.contracts import ContractError, EvaluateSettings, write_json
from training.generate import COMPLETIONS, write_samples
from training.reward import score_all
from training.reward_model import load_reward_model
from training.sampling import response_log_probs, sample_all
from training.stage import Run, main
from training.tokens import collate, reads_alike


def evaluate(run: Run) -> dict[str, Any]:
    settings = cast(EvaluateSettings, run.config.settings)

    # 1. The policy, the prompts and whatever it is to be measured against.
    policy, tokenizer = load_policy(run.input("policy"))
    place(policy, run.device)
    reference = None
    if run.has("reference"):
        reference, other = load_policy(run.input("reference"))
        if not reads_alike(other, tokenizer):
            raise ContractError("inputs/reference: its tokenizer is not the policy's, so there is no KL")
        place(reference, run.device)
    reward = load_reward_model(run.input("reward")) if run.has("reward") else None
    if reward is not None:
        reward[0].to(run.device)
    prompts = data.load_prompts(run.input("prompts.jsonl"), tokenizer, settings.max_prompt_tokens)
    prompts = prompts[: settings.max_prompts or None]

    # 2. Sample at every temperature; the KL is that of the policy itself, at temperature 1.
    report: dict[str, Any] = {"prompts": len(prompts), "temperatures": {}, "kl": None, "kl_error": None}
    copies = settings.completions_per_prompt
    total, done = len(prompts) * len(settings.temperatures), 0
    with (run.outputs / COMPLETIONS).open("wb") as file:
        for number, temperature in enumerate(settings.temperatures):
            drawn = sample_all(
                policy,
                tokenizer,
                prompts,
                limit=settings.max_response_tokens,
                batch_size=settings.batch_size,
                seed=run.config.seed,
                step=number,
                temperature=temperature,
                copies=copies,
            )
            lengths: list[float] = []
            kls: list[float] = []
            rewards: list[float] = []

            def score(
                places: list[int], responses: list[list[int]], kept: list[float] = rewards
            ) -> list[float]:
                assert reward is not None
                model, reader = reward
                asked = [prompts[place] for place in places]
                # As text: what a labeler would see, in whatever tokens the reward model reads.
                read = data.reread(asked, responses, tokenizer, reader, settings.max_prompt_tokens)
                given: list[float] = score_all(model, reader, read, settings.batch_size).tolist()
                kept += given
                return given

            for indices, samples in write_samples(
                file,
                drawn,
                prompts,
                tokenizer,
                temperature=temperature,
                top_p=1.0,
                seed=run.config.seed,
                score=score if reward is not None else None,
            ):
                lengths += samples.mask.sum(dim=1).tolist()
                responses = samples.responses
                places = [index for index in indices for _ in range(copies)]
                if reference is not None and temperature == 1:
                    own = samples.log_probs.sum(dim=1)
                    asked = [prompts[index].ids for index in places]
                    kls += (own - _log_probs(reference, tokenizer, asked, responses)).tolist()
                done += len(indices)
                run.log(done, total, temperature=temperature)
            figures: dict[str, float] = {"mean_tokens": torch.tensor(lengths).mean().item()}
            if rewards:
                figures |= _mean("reward", torch.tensor(rewards))
            if kls:
                report |= _mean("kl", torch.tensor(kls))
            report["temperatures"][str(temperature)] = figures

    write_json(run.outputs / "report.json", report)
    return report


def _log_probs(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    prompts: Sequence[list[int]],
    responses: Sequence[list[int]],
) -> Tensor:
    """[N] log-probability of each response, nats."""
    batch = collate(prompts, responses, tokenizer.pad_token_id, model.device)
    return response_log_probs(model, batch).sum(dim=1)


def _mean(name: str, values: Tensor) -> dict[str, float]:
    """The mean and its standard error."""
    error = values.std().item() / len(values) ** 0.5 if len(values) > 1 else 0.0
    return {name: values.mean().item(), f"{name}_error": error}


if __name__ == "__main__":
    main("evaluate", evaluate)
