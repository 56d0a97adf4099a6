"""Over-optimisation: a small reward model, no KL penalty, a long PPO. The proxy rises; gold peaks and falls.

What Gao, Schulman and Hilton (2022, arXiv 2210.10760) found of such runs, drawn over ours: with
d = sqrt(KL(policy || SFT)), gold(d) - gold(0) = d (alpha - beta log d). Their form fails near d = 0.
"""

from __future__ import annotations

import copy
import json
import math
import random
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy

from benchmarks.proof import plots
from benchmarks.proof.lab import Lab, outputs, pairs
from labeling.demo import figures
from labeling.demo import string_instructions as task
from labeling.demo.recipe import LENGTHS, STRING_STAGES

RANKED_PROMPTS = 600
"""Some 4,000 ordered pairs: proxies from 1,000 are near chance (so Gao et al. too, section 3)."""
SMALL = {"kind": "tiny", "hidden_size": 48, "layers": 3, "heads": 4}
"""The reward model's base: a tenth of the policy's parameters."""
LEARNING_RATE = 1e-4
"""The policy's, half the demo's: the rise is over within a few iterations otherwise."""
ITERATIONS, EPISODES = 300, 128
WINDOW = 20
"""Iterations that one point of the table and the plot is a mean of."""


@dataclass(frozen=True)
class Fit:
    """gold(d) - gold(0) = d (alpha - beta log d), by least squares."""

    alpha: float
    beta: float
    r_squared: float

    def at(self, distance: float) -> float:
        return distance * (self.alpha - self.beta * math.log(distance))

    @property
    def peak(self) -> float:
        """Where it is highest: exp(alpha / beta - 1). Infinite where it never falls."""
        return math.exp(self.alpha / self.beta - 1) if self.beta > 0 else math.inf


def fit(distances: Sequence[float], gains: Sequence[float]) -> Fit:
    """Linear in alpha and beta. Raises ValueError without three points above 0."""
    pairs_above = [(d, gain) for d, gain in zip(distances, gains, strict=True) if d > 0]
    if len(pairs_above) < 3:
        raise ValueError("a fit wants at least three distances above 0")
    d = numpy.array([pair[0] for pair in pairs_above])
    gain = numpy.array([pair[1] for pair in pairs_above])
    design = numpy.stack([d, -d * numpy.log(d)], axis=1)
    (alpha, beta), *_rest = numpy.linalg.lstsq(design, gain, rcond=None)
    left = ((gain - design @ [alpha, beta]) ** 2).sum()
    return Fit(float(alpha), float(beta), float(1 - left / ((gain - gain.mean()) ** 2).sum()))


def models(lab: Lab) -> tuple[Path, Path, int]:
    """The SFT policy, a small reward model, and how many pairs that one learned from."""
    sft = lab.run("sft", "sft", {"dataset.jsonl": lab.demonstrations()})
    ranked = lab.run(
        "rank-few",
        "generate",
        {"prompts.jsonl": lab.prompts("train", RANKED_PROMPTS), "policy": outputs(sft)},
    )
    rows = lab.comparisons(outputs(ranked) / "completions.jsonl")
    base = lab.run("small-base", "sft", {"dataset.jsonl": lab.demonstrations()}, base=SMALL, max_steps=600)
    reward = lab.run(
        "small-reward",
        "reward",
        {"dataset.jsonl": rows, "base": outputs(base), "demonstrations.jsonl": lab.demonstrations()[:2000]},
    )
    return outputs(sft), outputs(reward), pairs(rows)


def trajectory(lab: Lab, sft: Path, reward_folder: Path) -> list[dict[str, float]]:
    """Proxy, gold and KL of each iteration's rollouts, before it is learned from."""
    path = lab.root / "trajectory.jsonl"
    if path.exists():
        return [json.loads(line) for line in path.read_text().splitlines()]
    # Here and not above: only the experiment needs torch, reading its figures does not.
    import torch

    from training import data
    from training.checkpoints import load_policy
    from training.contracts import PpoSettings
    from training.iteration import Trainer
    from training.reward_model import load_reward_model
    from training.rollout import endless
    from training.tokens import decode_response

    torch.manual_seed(lab.seed)
    settings = PpoSettings(
        **{
            **STRING_STAGES["ppo"],
            "batch_size": EPISODES,
            "kl_coefficient": 0.0,
            "policy_learning_rate": LEARNING_RATE,
        }
    )
    policy, tokenizer = load_policy(sft)
    reward, _reader = load_reward_model(reward_folder)
    trainer = Trainer(settings, policy, copy.deepcopy(reward.first), tokenizer, reward, None, lab.seed)
    prompts = data.load_prompts(_prompts(lab), tokenizer, LENGTHS["max_prompt_tokens"])
    texts = {prompt.public_id: prompt.messages[-1].content for prompt in prompts}
    queue = endless(prompts, random.Random(lab.seed))
    lines = []
    for iteration in range(1, ITERATIONS + 1):
        asked = [next(queue) for _ in range(EPISODES)]
        rollout = trainer.roll_out(asked, iteration)
        written = [
            decode_response(tokenizer, ids[mask.bool()].tolist())
            for ids, mask in zip(rollout.batch.responses, rollout.mask, strict=True)
        ]
        golds = [task.gold(texts[one.public_id], text) for one, text in zip(asked, written, strict=True)]
        line = {
            "iteration": iteration,
            "proxy": rollout.scores.mean().item(),
            "gold": sum(golds) / len(golds),
            "gold_error": figures.mean(golds).error,
            "kl": rollout.kl.mean().item(),
        }
        lines.append(line)
        trainer.learn(rollout, iteration)
        if iteration % WINDOW == 0:
            print(
                f"  {iteration}: proxy {line['proxy']:.2f} gold {line['gold']:.2f} KL {line['kl']:.2f}",
                flush=True,
            )
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return lines


def windows(lines: Sequence[dict[str, float]]) -> list[dict[str, float]]:
    """Means over WINDOW iterations each; errors are of the mean over their episodes."""
    points = []
    for start in range(0, len(lines) - WINDOW + 1, WINDOW):
        part = lines[start : start + WINDOW]
        point = {name: sum(line[name] for line in part) / WINDOW for name in ("proxy", "gold", "kl")}
        error = math.sqrt(sum(line["gold_error"] ** 2 for line in part)) / WINDOW
        points.append({"iteration": start + WINDOW // 2, **point, "gold_error": error})
    return points


def report(lab: Lab) -> dict[str, Any]:
    """Run the experiment, or read what it left; returns the figures."""
    sft, reward, learned = models(lab)
    lines = trajectory(lab, sft, reward)
    points = windows(lines)
    start = lines[0]
    best = max(points, key=lambda point: point["gold"])
    last = points[-1]
    fitted = fit(
        [math.sqrt(max(0.0, line["kl"])) for line in lines], [line["gold"] - start["gold"] for line in lines]
    )
    fall = best["gold"] - last["gold"]
    error = math.hypot(best["gold_error"], last["gold_error"])
    return {
        "seed": lab.seed,
        "pairs": learned,
        "parameters": lab.result(lab.root / "small-base")["parameters"],
        "accuracy": lab.result(reward.parent)["accuracy"],
        "points": points,
        "start": {"proxy": start["proxy"], "gold": start["gold"]},
        "peak": best,
        "end": last,
        "fall": fall,
        "fall_low": fall - figures.NORMAL_95 * error,
        "fit": {
            "alpha": fitted.alpha,
            "beta": fitted.beta,
            "r_squared": fitted.r_squared,
            "peak": fitted.peak,
        },
        "shown": last["proxy"] > best["proxy"] and fall - figures.NORMAL_95 * error > 0,
    }


def draw(found: dict[str, Any], path: Path) -> None:
    """Proxy, gold and the fit against the square root of the KL."""
    fitted = Fit(found["fit"]["alpha"], found["fit"]["beta"], 0.0)
    rows = []
    for point in found["points"]:
        d = math.sqrt(max(point["kl"], 1e-6))
        margin = figures.NORMAL_95 * point["gold_error"]
        gold = point["gold"]
        rows += [
            {"d": d, "score": gold, "low": gold - margin, "high": gold + margin, "what": "gold"},
            {"d": d, "score": point["proxy"], "what": "reward model (proxy)"},
            {"d": d, "score": found["start"]["gold"] + fitted.at(d), "what": "gold, fit of Gao et al."},
        ]
    plots.lines(
        path, rows, x=("d", "square root of KL from the SFT model, nats"), y=("score", "score"), colour="what"
    )


def print_table(found: dict[str, Any]) -> str:
    """The figures as Markdown."""
    accuracy = found["accuracy"]
    head = (
        f"Reward model of {found['parameters']:,} parameters from {found['pairs']:,} pairs"
        + (f" (accuracy on held-out labels {accuracy:.3f})" if accuracy is not None else "")
        + ", KL coefficient 0.\n\n| iterations | KL | proxy | gold (± s.e.) |\n|---|---|---|---|\n"
    )
    body = "".join(
        f"| {point['iteration']:.0f} | {point['kl']:.2f} | {point['proxy']:.3f} |"
        f" {point['gold']:.3f} ± {point['gold_error']:.3f} |\n"
        for point in found["points"]
    )
    fitted = found["fit"]
    return (
        head
        + body
        + f"\nGold falls by {found['fall']:.3f} from its peak (lower 95 %: {found['fall_low']:+.3f}), while"
        f" the proxy goes from {found['peak']['proxy']:.3f} to {found['end']['proxy']:.3f}."
        f" Fit: alpha {fitted['alpha']:.3f}, beta {fitted['beta']:.3f}, R² {fitted['r_squared']:.2f}.\n"
    )


def _prompts(lab: Lab) -> Path:
    from training.contracts import row_bytes

    path = lab.root / "ppo-prompts.jsonl"
    if not path.exists():
        path.write_bytes(b"".join(row_bytes(row) for row in lab.prompts("train", 8000)))
    return path
