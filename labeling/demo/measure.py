"""What `make loop` measures: models on held-out prompts, and the report's figures and tables."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from labeling.demo import figures
from training.contracts import EvaluateSettings

if TYPE_CHECKING:
    from labeling.demo.evaluator import Sampled
    from labeling.models import DatasetVersion, ModelVersion, Project, Round, Run

SAMPLES = 2
"""Of each prompt at each temperature: two, so that the reward model has pairs to order."""
MAX_RESPONSE_TOKENS = 16


def held_out(project: Project, count: int) -> DatasetVersion:
    """The test split, frozen. Raises ValueError if it is smaller than `count`."""
    from labeling.actions import datasets

    version = datasets.freeze(project, "prompts", splits=["test"])
    if version.counts["rows"] < count:
        raise ValueError(f"only {version.counts['rows']} held-out prompts, {count} are wanted")
    return version


def prompt_texts(version: DatasetVersion) -> dict[str, str]:
    from labeling.actions import datasets
    from training.contracts import PromptRow, read_rows

    return {row.prompt: row.messages[-1].content for row in read_rows(datasets.file(version), PromptRow)}


def model_of(walked: Round, stage: str) -> ModelVersion:
    step = walked.steps.select_related("run__model_version").get(name=stage)
    assert step.run is not None
    return step.run.model_version


@dataclass(frozen=True)
class Measured:
    """A model on the held-out prompts: gold by temperature, and the run that sampled it."""

    by_temperature: dict[float, Sampled]
    run: Run
    completions: Path

    def figures(self) -> dict[str, float]:
        """Exact match and gold at temperature 1, and greedy exact match."""
        return {
            "exact": self.by_temperature[1.0].mean_exact().mean,
            "gold": self.by_temperature[1.0].mean_gold().mean,
            "greedy": self.by_temperature[0.0].mean_exact().mean,
        }


def measure(
    model: ModelVersion,
    walked: Round,
    prompts: DatasetVersion,
    temperatures: list[float],
    seed: int,
    await_run: Callable[[Run], Run],
) -> Measured:
    """Sample a model on the held-out prompts; a policy's KL is from the round's SFT model."""
    from labeling.actions import artifacts, runs
    from labeling.demo import evaluator

    settings = EvaluateSettings(
        temperatures=tuple(temperatures),
        completions_per_prompt=SAMPLES,
        max_response_tokens=MAX_RESPONSE_TOKENS,
        batch_size=512,
    )
    inputs: dict[str, DatasetVersion | ModelVersion] = {
        "prompts.jsonl": prompts,
        "policy": model,
        "reward": model_of(walked, "reward"),
    }
    if (sft := model_of(walked, "sft")) != model:
        inputs["reference"] = sft
    run = await_run(runs.create(model.project, "evaluate", settings=settings, seed=seed, inputs=inputs))
    completions = artifacts.verified(run.artifact) / "completions.jsonl"
    return Measured(evaluator.by_temperature(completions, prompt_texts(prompts)), run, completions)


def report(
    walked: Round, sft: Measured, policy: Measured, prompts: DatasetVersion, agreement: float | None
) -> dict[str, Any]:
    """The figures of a closed round, with standard errors."""
    from labeling.demo import evaluator

    accuracy = evaluator.reward_accuracy(sft.completions, prompt_texts(prompts))
    best = max(sampled.mean_gold().mean for sampled in sft.by_temperature.values())
    return {
        "prompts": prompts.counts["rows"],
        "sft": {**sft.figures(), "best_t_gold": best},
        "reward": {
            "accuracy_labels": model_of(walked, "reward").report["accuracy"],
            "accuracy_gold": accuracy.mean,
            "agreement": agreement,
        },
        "policy": {**policy.figures(), "kl": policy.run.result["kl"]},
        "errors": {
            "sft_gold": sft.by_temperature[1.0].mean_gold().error,
            "policy_gold": policy.by_temperature[1.0].mean_gold().error,
            "accuracy_gold": accuracy.error,
            "kl": policy.run.result["kl_error"],
        },
        "by_temperature": {
            str(temperature): {"exact": sampled.mean_exact().mean, "gold": sampled.mean_gold().mean}
            for temperature, sampled in sft.by_temperature.items()
        },
    }


def control_report(sft: Measured, policy: Measured, control: Measured) -> dict[str, Any]:
    """Gains in gold at temperature 1 over the SFT model, paired by prompt."""
    golds = [each.by_temperature[1.0].gold for each in (sft, policy, control)]
    before, real, noise = ([gold[prompt] for prompt in sorted(golds[0])] for gold in golds)
    real_gain = figures.paired_difference(before, real)
    gain = figures.paired_difference(before, noise)
    return {
        **control.figures(),
        "kl": control.run.result["kl"],
        "real_gain": real_gain.mean,
        "gain": gain.mean,
        "gain_upper": gain.upper,
        "share_of_real_upper": gain.upper / real_gain.mean if real_gain.mean > 0 else None,
    }


def print_tables(report: dict[str, Any]) -> None:
    """The figures with standard errors, for a person."""
    errors = report["errors"]
    print(f"\nOn {report['prompts']:,} held-out prompts   exact    gold (± s.e.)     greedy exact")
    for name in ("sft", "policy"):
        row = report[name]
        print(
            f"  {name:<22}              {row['exact']:.3f}    {row['gold']:.3f}"
            f" ± {errors[name + '_gold']:.3f}"
            f"    {row['greedy']:.3f}"
        )
    print("\nSFT by temperature          exact    gold")
    for temperature, row in report["by_temperature"].items():
        print(f"  T = {temperature:<22}  {row['exact']:.3f}    {row['gold']:.3f}")
    reward = report["reward"]
    print(
        f"\nReward model: {reward['accuracy_labels']:.3f} of held-out labels, {reward['accuracy_gold']:.3f}"
        f" ± {errors['accuracy_gold']:.3f} of gold's pairs; labelers agree on {reward['agreement']:.3f}"
    )
    print(f"Policy's KL from the SFT model: {report['policy']['kl']:.2f} ± {errors['kl']:.2f} nats")
    if control := report.get("control"):
        print(
            f"Control: gold gain {control['gain']:+.3f} (upper 95 % {control['gain_upper']:+.3f}) against"
            f" {control['real_gain']:+.3f} of the real arm, KL {control['kl']:.2f}"
        )
    print()
