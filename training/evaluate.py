"""Sample a policy on held-out prompts at several temperatures and measure it: KL, lengths, rewards, how often
it wins against the reference, and what it answers to task files.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, cast

from torch import Tensor
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from training import data, tasks
from training.checkpoints import load_policy, place
from training.contracts import ContractError, EvaluateSettings, GeneratedRow, TaskRow, row_bytes, write_json
from training.data import Prompt
from training.generate import COMPLETIONS, sampled_rows
from training.judges import Judge
from training.sampling import response_log_probs, sample_all
from training.stage import Run, main
from training.tokens import collate, reads_alike
from training.votes import Counting
from training.win_rates import JUDGES, by_prompt, overlap, side_by_side, temperature_report

REFERENCE = "reference.jsonl"
ANSWERS = "answers.jsonl"


def evaluate(run: Run) -> dict[str, Any]:
    settings = cast(EvaluateSettings, run.config.settings)
    counting = Counting(settings.bootstrap, run.config.seed)

    # 1. The policy, the prompts and whatever it is to be measured against.
    policy, tokenizer = load_policy(run.input("policy"))
    place(policy, run.device)
    reference = None
    if run.has("reference"):
        reference, other = load_policy(run.input("reference"))
        if not reads_alike(other, tokenizer):
            raise ContractError("inputs/reference: its tokenizer is not the policy's, so there is no KL")
        place(reference, run.device)
    named = [name for name in JUDGES if run.has(name)]
    judges = [Judge(run, name, settings.max_prompt_tokens, settings.batch_size) for name in named]
    prompts = data.load_prompts(run.input("prompts.jsonl"), tokenizer, settings.max_prompt_tokens)
    prompts = prompts[: settings.max_prompts or None]
    questions = tasks.load_tasks(run.input("tasks.jsonl")) if run.has("tasks.jsonl") else []

    # Without a judge there is nothing to win: the reference writes nothing, it is only asked for the KL.
    opponent = reference if judges else None
    models = 1 if reference is None else 2
    writers = 1 if opponent is None else 2
    total = len(prompts) * len(settings.temperatures) * writers + len(questions) * models
    progress = Progress(run, total)
    contest = Contest(run, tokenizer, prompts, judges, progress)

    # 2. Sample at every temperature; the KL is that of the policy itself, at temperature 1.
    report: dict[str, Any] = {"prompts": len(prompts), "temperatures": {}, "kl": None, "kl_error": None}
    for number, temperature in enumerate(settings.temperatures):
        measured = reference if temperature == 1 else None
        rows, kls = contest.draw(policy, number, temperature, measured)
        publish(run, COMPLETIONS, rows)
        own, others = by_prompt(rows), None
        if opponent is not None:
            step = number + len(settings.temperatures)
            rows, _ = contest.draw(opponent, step, temperature)
            publish(run, REFERENCE, rows)
            others = by_prompt(rows)
        figures = temperature_report(prompts, own, others, kls, named, counting)
        report["temperatures"][str(temperature)] = figures
        if kls is not None:
            report |= {name: figures[name] for name in ("kl", "kl_error")}
        if others is not None and number == 0:
            report["samples"] = side_by_side(prompts, own, others, named)
    if len(judges) == 2:
        report["judges"] = overlap(run.input("reward"), run.input("evaluation_reward"), prompts)

    # 3. Answer the task files, with the reference too: before and after.
    if questions:
        report["tasks"] = answer_tasks(run, policy, reference, tokenizer, questions, counting, progress)

    write_json(run.outputs / "report.json", report)
    # What becomes a row of the database has no texts in it.
    return {name: value for name, value in report.items() if name != "samples"}


class Progress:
    """How much of the run is done, in prompts and questions."""

    def __init__(self, run: Run, total: int) -> None:
        self.run, self.total, self.done = run, total, 0

    def add(self, count: int, **values: float) -> None:
        self.done += count
        self.run.log(self.done, self.total, **values)


@dataclass(frozen=True)
class Contest:
    """The prompts that models answer, and who judges what they say."""

    run: Run
    tokenizer: PreTrainedTokenizerBase
    prompts: Sequence[Prompt]
    judges: Sequence[Judge]
    progress: Progress

    def draw(
        self, model: PreTrainedModel, step: int, temperature: float, measured: PreTrainedModel | None = None
    ) -> tuple[list[GeneratedRow], dict[str, list[float]] | None]:
        """A model's responses with what each judge gives them, and by prompt their KL from `measured`.

        `step` is the noise's coordinate: of another step, responses are no more alike than by chance.
        """
        settings = cast(EvaluateSettings, self.run.config.settings)
        rows: list[GeneratedRow] = []
        kls: dict[str, list[float]] = {}
        drawn = sample_all(
            model,
            self.tokenizer,
            self.prompts,
            limit=settings.max_response_tokens,
            batch_size=settings.batch_size,
            seed=self.run.config.seed,
            step=step,
            temperature=temperature,
            copies=settings.completions_per_prompt,
        )
        for indices, samples in drawn:
            some = [self.prompts[index] for index in indices]
            written = sampled_rows(
                some,
                samples,
                self.tokenizer,
                temperature=temperature,
                top_p=1.0,
                seed=self.run.config.seed,
            )
            rows += written
            if measured is not None:
                asked = [prompt.ids for prompt in some for _ in range(settings.completions_per_prompt)]
                other = log_probs(measured, self.tokenizer, asked, samples.responses)
                nats = (samples.log_probs.sum(dim=1) - other).tolist()
                for row, kl in zip(written, nats, strict=True):
                    kls.setdefault(row.prompt, []).append(kl)
            self.progress.add(len(indices), temperature=temperature)
        asked_for = {prompt.public_id: prompt.messages for prompt in self.prompts}
        for judge in self.judges:
            rows = judge.judged(rows, asked_for)
        return rows, None if measured is None else kls


def answer_tasks(
    run: Run,
    policy: PreTrainedModel,
    reference: PreTrainedModel | None,
    tokenizer: PreTrainedTokenizerBase,
    questions: Sequence[TaskRow],
    counting: Counting,
    progress: Progress,
) -> dict[str, Any]:
    """The report of the task files; what was answered is published beside it."""
    settings = cast(EvaluateSettings, run.config.settings)
    asking = tasks.Asking(settings.max_prompt_tokens, settings.max_response_tokens, settings.batch_size)

    def scored(model: PreTrainedModel) -> list[tuple[str | None, float]]:
        answers = tasks.answer(model, tokenizer, questions, asking)
        progress.add(len(questions))
        return answers

    own = scored(policy)
    others = scored(reference) if reference is not None else None
    lines = [
        tasks.Answered(row.task, row.id, *mine, *(others[index] if others else ()))
        for index, (row, mine) in enumerate(zip(questions, own, strict=True))
    ]
    (run.outputs / ANSWERS).write_bytes(b"".join(map(row_bytes, lines)))
    before = None if others is None else [value for _, value in others]
    return tasks.task_report(questions, [value for _, value in own], before, counting)


def publish(run: Run, name: str, rows: Sequence[GeneratedRow]) -> None:
    with (run.outputs / name).open("ab") as file:
        file.writelines(map(row_bytes, rows))


def log_probs(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    prompts: Sequence[list[int]],
    responses: Sequence[list[int]],
) -> Tensor:
    """[N] log-probability of each response, nats."""
    batch = collate(prompts, responses, tokenizer.pad_token_id, model.device)
    return response_log_probs(model, batch).sum(dim=1)


if __name__ == "__main__":
    main("evaluate", evaluate)
