"""`make proof`: the loop as proof, over seeds and for both kinds of model, and two experiments on PPO.

Each part leaves its raw figures as JSON, its plots, and a table in the README of the folder it writes to
(docs/proof by default). What was measured is not measured again while its JSON is there: delete it, or name
another folder, to repeat a part.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks.proof import overoptimisation, ptx
from benchmarks.proof.lab import Lab

SEEDS = (6, 7, 8)
PARTS = ("loop", "t5", "ptx", "overoptimisation")


class Goals(NamedTuple):
    """What a loop has to show: the least gains, the most KL, and of the real gain the control's most."""

    gold_over_best_t: float
    greedy_gain: float
    accuracy_gold: float
    kl: float
    control: float


DECODER = Goals(gold_over_best_t=0.20, greedy_gain=0.15, accuracy_gold=0.80, kl=4.0, control=0.25)
# Set after the first run, which gained 0.516 and 0.457 with an accuracy of 0.891.
T5 = Goals(gold_over_best_t=0.35, greedy_gain=0.30, accuracy_gold=0.85, kl=4.0, control=0.25)


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="make proof", description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--only", nargs="+", choices=PARTS, default=PARTS)
    parser.add_argument("--seeds", nargs="+", type=int, default=SEEDS, help="of the loop")
    parser.add_argument("--seed", type=int, default=0, help="of the experiments and the T5's loop")
    parser.add_argument("--to", type=Path, default=Path("docs/proof"))
    parser.add_argument("--work", type=Path, default=Path("var/proof"), help="run folders of the experiments")
    options = parser.parse_args()
    options.to.mkdir(parents=True, exist_ok=True)
    if "loop" in options.only:
        for seed in options.seeds:
            once(options.to / f"loop-{seed}.json", partial(loop, seed, "tiny"))
    if "t5" in options.only:
        once(options.to / f"loop-t5-{options.seed}.json", partial(loop, options.seed, "tiny-t5"))
    for name, experiment in (("ptx", ptx), ("overoptimisation", overoptimisation)):
        if name in options.only:
            folder = options.work / f"{name}-{options.seed}"
            folder.mkdir(parents=True, exist_ok=True)
            lab = Lab(folder, options.seed)
            found = once(options.to / f"{name}.json", partial(experiment.report, lab))
            experiment.draw(found, options.to / f"{name}.svg")
    text = page(options.to)
    (options.to / "README.md").write_text(text, encoding="utf-8")
    print(text)
    print(json.dumps({path.stem: json.loads(path.read_text()) for path in sorted(options.to.glob("*.json"))}))


def once(path: Path, measure: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """What the file holds, measured first where it is not there."""
    if not path.exists():
        print(f"{path.stem} …", file=sys.stderr, flush=True)
        path.write_text(json.dumps(measure(), indent=1) + "\n", encoding="utf-8")
    found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return found


def loop(seed: int, base: str) -> dict[str, Any]:
    """`make loop` with its control, as a process. Raises CalledProcessError if it does not close."""
    command = [sys.executable, "-m", "labeling.demo.loop", "--seed", str(seed), "--base", base, "--shuffle"]
    ended = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    report: dict[str, Any] = json.loads(ended.stdout.strip().splitlines()[-1])
    return report


def reached(report: dict[str, Any]) -> dict[str, bool]:
    """Which thresholds a loop's report reached, by name."""
    sft, policy = report["sft"], report["policy"]
    share = report["control"]["share_of_real_upper"]
    goals = T5 if report["base"] == "tiny-t5" else DECODER
    return {
        "gold_over_best_t": policy["gold"] - sft["best_t_gold"] >= goals.gold_over_best_t,
        "greedy_gain": policy["greedy"] - sft["greedy"] >= goals.greedy_gain,
        "accuracy_gold": report["reward"]["accuracy_gold"] >= goals.accuracy_gold,
        "kl": policy["kl"] <= goals.kl,
        "control": share is not None and share < goals.control,
    }


def page(folder: Path) -> str:
    """The README of what was measured: a table for each part whose figures are there."""
    parts = ["# Proof\n\nWritten by `make proof`; the raw figures lie beside this page as JSON.\n"]
    loops = [json.loads(path.read_text()) for path in sorted(folder.glob("loop-*.json"))]
    if loops:
        parts.append(loop_table(loops))
    for name, experiment, title in (
        ("ptx", ptx, "PPO-ptx keeps what PPO unlearns"),
        ("overoptimisation", overoptimisation, "Over-optimisation"),
    ):
        path = folder / f"{name}.json"
        if path.exists():
            found = json.loads(path.read_text())
            shown = "Shown." if found["shown"] else "**Not shown by these figures.**"
            parts.append(
                f'## {title}\n\n{shown} `make proof OPTIONS="--only {name} --seed {found["seed"]}"`\n\n'
                f"{experiment.print_table(found)}\n![{title}]({name}.svg)\n"
            )
    return "\n".join(parts)


def loop_table(loops: Sequence[dict[str, Any]]) -> str:
    """The loops side by side. Gold is at temperature 1; best T is the SFT model at its best temperature."""
    rows = []
    for report in loops:
        sft, policy, control = report["sft"], report["policy"], report["control"]
        missed = [name for name, well in reached(report).items() if not well]
        upper = control["share_of_real_upper"]
        rows.append(
            f"| {report['base']}, seed {report['seed']} | {sft['gold']:.3f} | {sft['best_t_gold']:.3f} |"
            f" {policy['gold']:.3f} ± {report['errors']['policy_gold']:.3f} |"
            f" {sft['greedy']:.3f} → {policy['greedy']:.3f} | {report['reward']['accuracy_gold']:.3f} |"
            f" {policy['kl']:.2f} | {control['gain']:+.3f} ({'–' if upper is None else f'{upper:.0%}'}) |"
            f" {report['seconds']['total'] / 60:.0f} min | {', '.join(missed) or 'none'} |\n"
        )
    return (
        "## The loop\n\n`make loop SEED=n SHUFFLE=1` (and `BASE=tiny-t5`). Gold at temperature 1 on 4,096"
        " held-out prompts; the control trains on permuted rankings, and its upper 95 % bound is given as a"
        " share of the real gain.\n\n"
        "| | SFT gold | at best T | policy gold | greedy exact | reward vs gold | KL | control's gain |"
        " time | missed |\n|---|---|---|---|---|---|---|---|---|---|\n" + "".join(rows) + _goals()
    )


def _goals() -> str:
    said = (
        f"{name}: policy over the SFT model's best T ≥ {goals.gold_over_best_t:.2f}, greedy ≥"
        f" +{goals.greedy_gain:.2f}, reward vs gold ≥ {goals.accuracy_gold:.2f}, KL ≤ {goals.kl:.0f}, the"
        f" control's bound < {goals.control:.0%} of the real gain"
        for name, goals in (("Decoder", DECODER), ("T5", T5))
    )
    return "\nGoals. " + "; ".join(said) + ".\n"


if __name__ == "__main__":
    main()
