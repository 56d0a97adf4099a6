"""How well a reward model knows labelers it has never seen (InstructGPT, section 4.1 and appendix E.2).

    python -m training.kfold RUN_DIR --folds 5

RUN_DIR is the folder of a reward run; what it published is left alone. Its labelers are dealt into groups,
and for each group a model is trained on all others, by the same settings. RUN_DIR/kfold/report.json and the
table say how often it orders pairs of held-out prompts as the labelers it learned from, and as those it never
saw.
"""

from __future__ import annotations

import argparse
import dataclasses
import math
import shutil
import statistics
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

from training import data
from training.checkpoints import load_tokenizer
from training.contracts import (
    INPUTS,
    OUTPUTS,
    ContractError,
    RewardSettings,
    RunConfig,
    RunError,
    RunResult,
    write_json,
)
from training.reward import train_reward
from training.stage import execute

FOLDER = "kfold"
GROUPS = {
    "known": "labelers it learned from",
    "unknown": "labelers it never saw",
    "unknown_train_prompts": "the same, on prompts it learned from",
}
# Student's t at 97.5 % by degrees of freedom: a handful of folds is far from normal.
T = (12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262)


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m training.kfold", description=__doc__.split("\n")[0])
    parser.add_argument("run_dir", type=Path)
    parser.add_argument("--folds", type=int, default=5)
    options = parser.parse_args(arguments)
    try:
        report = cross_validate(options.run_dir, options.folds)
    except ContractError as error:
        print(error, file=sys.stderr)
        return 1
    print(f"{'fold':>6}" + "".join(f" {name:>38}" for name in GROUPS.values()))
    for number, fold in enumerate(report["folds"], 1):
        print(f"{number:>6}" + "".join(f" {_text(fold[name]['accuracy'], None):>38}" for name in GROUPS))
    print(f"{'mean':>6}" + "".join(f" {_text(*report[name].values()):>38}" for name in GROUPS))
    return 0


def cross_validate(run_dir: Path, folds: int) -> dict[str, Any]:
    """Train once a group and write kfold/report.json. Raises ContractError.

    Each fold is an ordinary reward run in a folder of its own; its model is not kept.
    """
    config = RunConfig.read(run_dir)
    if config.stage != "reward":
        raise ContractError(f"config.stage: {config.stage!r}, but only a reward run has labelers to hold out")
    settings = cast(RewardSettings, config.settings)
    shutil.rmtree(run_dir / FOLDER, ignore_errors=True)
    found = []
    for number, group in enumerate(groups(run_dir, settings, config.seed, folds)):
        folder = run_dir / FOLDER / str(number)
        folder.mkdir(parents=True)
        (folder / INPUTS).symlink_to((run_dir / INPUTS).resolve())
        held_out = dataclasses.replace(settings, held_out_labelers=group, held_out_labeler_share=0.0)
        dataclasses.replace(config, settings=held_out).write(folder)
        if execute("reward", train_reward, folder):
            raise ContractError(f"fold {number}: {RunError.read(folder).reason}")
        found.append(RunResult.read(folder).metrics["labelers"])
        shutil.rmtree(folder / OUTPUTS)
    report = {"folds": found, **{name: mean([fold[name]["accuracy"] for fold in found]) for name in GROUPS}}
    write_json(run_dir / FOLDER / "report.json", report)
    return report


def groups(run_dir: Path, settings: RewardSettings, seed: int, folds: int) -> list[tuple[str, ...]]:
    """The labelers dealt into groups of like size. Raises ContractError if there are fewer of them."""
    tokenizer = load_tokenizer(run_dir / INPUTS / "base")
    limits = settings.max_prompt_tokens, settings.max_response_tokens
    items = data.load_items(run_dir / INPUTS / "dataset.jsonl", tokenizer, *limits).items
    labelers = data.shuffled_labelers(items, seed)
    if not 2 <= folds <= len(labelers):
        raise ContractError(f"{folds} folds of {len(labelers)} labelers: at least 2, and a labeler for each")
    return [tuple(labelers[start::folds]) for start in range(folds)]


def mean(values: Sequence[float | None]) -> dict[str, float | None]:
    """The mean over the folds that measured something, and half its 95 % interval."""
    known = [value for value in values if value is not None]
    if len(known) < 2:
        return {"accuracy": known[0] if known else None, "plus_minus": None}
    degrees = len(known) - 1
    t = T[degrees - 1] if degrees <= len(T) else 1.96
    return {
        "accuracy": statistics.fmean(known),
        "plus_minus": t * statistics.stdev(known) / math.sqrt(len(known)),
    }


def _text(value: float | None, plus_minus: float | None) -> str:
    if value is None:
        return "–"
    return f"{value:.3f}" if plus_minus is None else f"{value:.3f} ± {plus_minus:.3f}"


if __name__ == "__main__":
    sys.exit(main())
