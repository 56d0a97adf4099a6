"""PPO-ptx: what PPO unlearns, and what a pretraining mix keeps (InstructGPT, sections 3.5 and 4.2).

The pretraining corpus holds an operation that no PPO prompt asks for: "copy: abcdef", whose right answer is
the very echo that labelers rank low everywhere else. The SFT model knows it from its pretraining mix. PPO is
free to unlearn it; PPO-ptx, which goes on reading the corpus, should not, at little cost in gold.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from random import Random
from typing import Any

from benchmarks.proof import plots
from benchmarks.proof.lab import Lab, mean_gold, outputs
from labeling.demo import figures
from labeling.demo import string_instructions as task
from training.contracts import GeneratedRow, PretrainingRow, read_rows, row_bytes

CORPUS, HELD_OUT = 20_000, 1024
SHARE = 0.1
"""Of the SFT batches, as before the paper's PPO (C.3)."""
RANKED_PROMPTS, TEST_PROMPTS = 3000, 2048
SETTINGS: dict[str, Any] = {"episodes": 100 * 128, "kl_coefficient": 0.05}
"""A longer and freer PPO than the demo's: with the demo's there is little tax to pay."""
PER_EPISODE = 2
"""Pretraining examples for each episode: a corpus of one kind of line needs fewer than the paper's 8."""
GAMMAS = (0.0, 0.03, 0.1, 0.3)
WORSE_BY, WITHIN, KEEPS = 0.10, 0.02, 0.80


def corpus(seed: int, count: int, split: task.Split) -> list[PretrainingRow]:
    """`count` lines of text that copy six letters of one split."""
    rng = Random(f"corpus {split} {seed}")
    lines: dict[str, None] = {}
    while len(lines) < count:
        letters = "".join(rng.choices(task.ALPHABET, k=task.LENGTH))
        if task.split_of(letters) == split:
            lines[f"copy: {letters}\n{letters}"] = None
    return [PretrainingRow(line) for line in lines]


def held_out_loss(model_folder: Path, path: Path) -> figures.Mean:
    """Nats a token on the held-out corpus, mean over its rows."""
    from training.checkpoints import load_policy
    from training.pretraining import row_losses

    model, tokenizer = load_policy(model_folder)
    return figures.mean(row_losses(model, tokenizer, path))


def report(lab: Lab) -> dict[str, Any]:
    """Run the experiment, or read what it left; returns the figures."""
    text = lab.root / "corpus.jsonl"
    unseen = lab.root / "corpus-held-out.jsonl"
    text.write_bytes(b"".join(map(row_bytes, corpus(lab.seed, CORPUS, "train"))))
    unseen.write_bytes(b"".join(map(row_bytes, corpus(lab.seed, HELD_OUT, "test"))))
    demonstrations = lab.demonstrations()
    sft = outputs(
        lab.run(
            "mixed-sft",
            "sft",
            {"dataset.jsonl": demonstrations, "pretraining.jsonl": text},
            pretraining_share=SHARE,
        )
    )
    ranked = lab.run(
        "rank-many", "generate", {"prompts.jsonl": lab.prompts("train", RANKED_PROMPTS), "policy": sft}
    )
    reward = outputs(
        lab.run(
            "reward",
            "reward",
            {
                "dataset.jsonl": lab.comparisons(outputs(ranked) / "completions.jsonl"),
                "base": sft,
                "demonstrations.jsonl": demonstrations[:2000],
            },
        )
    )
    base_gold, base_loss = _gold(lab, "sft", sft, sft), held_out_loss(sft, unseen)
    arms = []
    for gamma in GAMMAS:
        inputs: dict[str, Path | Sequence[Any]] = {
            "prompts.jsonl": lab.prompts("train", 8000),
            "policy": sft,
            "reward": reward,
        }
        if gamma:
            inputs["pretraining.jsonl"] = text
        mix: dict[str, Any] = {"pretraining_coefficient": gamma, "pretraining_per_episode": PER_EPISODE}
        run = lab.run(f"ppo-gamma-{gamma}", "ppo", inputs, **mix, **SETTINGS)
        loss = held_out_loss(outputs(run), unseen)
        gain = figures.paired_difference(base_gold, _gold(lab, f"gamma-{gamma}", outputs(run), sft))
        arms.append(
            {
                "gamma": gamma,
                "loss": loss.mean,
                "loss_change": loss.mean / base_loss.mean - 1,
                "gold_gain": gain.mean,
                "gold_gain_error": gain.error,
                "kl": lab.result(run)["kl"],
            }
        )
    plain, mixed_arms = arms[0], arms[1:]
    valid = plain["loss_change"] >= WORSE_BY
    return {
        "seed": lab.seed,
        "sft": {"loss": base_loss.mean, "gold": figures.mean(base_gold).mean},
        "arms": arms,
        "valid": valid,
        "shown": valid
        and any(
            arm["loss_change"] <= WITHIN and arm["gold_gain"] >= KEEPS * plain["gold_gain"]
            for arm in mixed_arms
        ),
    }


def print_table(found: dict[str, Any]) -> str:
    """The figures as Markdown."""
    rows = "".join(
        f"| {arm['gamma'] or '0 (PPO)'} | {arm['loss']:.4f} | {arm['loss_change']:+.1%} |"
        f" {arm['gold_gain']:+.3f} ± {arm['gold_gain_error']:.3f} | {arm['kl']:.2f} |\n"
        for arm in found["arms"]
    )
    verdict = "" if found["valid"] else "PPO hardly worsened the loss: this says nothing about ptx.\n"
    return (
        f"SFT: held-out loss {found['sft']['loss']:.4f} nats a token, gold {found['sft']['gold']:.3f}.\n\n"
        "| γ | held-out loss | change | gold gain (± s.e.) | KL |\n|---|---|---|---|---|\n"
        f"{rows}\n{verdict}"
    )


def draw(found: dict[str, Any], path: Path) -> None:
    """What each γ gains against what it costs."""
    rows = [
        {"gain": arm["gold_gain"], "change": 100 * arm["loss_change"], "what": f"γ = {arm['gamma']}"}
        for arm in found["arms"]
    ]
    plots.lines(
        path,
        rows,
        x=("gain", "gain in gold over SFT"),
        y=("change", "held-out loss of the corpus, change in %"),
        colour="what",
        points=True,
    )


def _gold(lab: Lab, name: str, policy: Path, reference: Path) -> Sequence[float]:
    """Gold of each test prompt at temperature 1."""
    run = lab.run(
        f"evaluate-{name}",
        "evaluate",
        {
            "prompts.jsonl": lab.prompts("test", TEST_PROMPTS),
            "policy": policy,
            "reference": reference,
        },
        temperatures=[1.0],
        completions_per_prompt=2,
        max_prompts=0,
    )
    golds = mean_gold(read_rows(outputs(run) / "completions.jsonl", GeneratedRow))
    return [golds[prompt] for prompt in sorted(golds)]
