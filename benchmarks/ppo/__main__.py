"""`make bench-ppo`: the table, and one JSON line last. `--help` lists what can be left out."""

from __future__ import annotations

import argparse
import copy
import json
import logging
import random
import statistics
import subprocess
import sys
import tempfile
import time
import warnings
from dataclasses import dataclass, field
from pathlib import Path

import torch
import transformers
from torch import nn
from transformers import AutoModel, LlamaConfig, LlamaForCausalLM

from benchmarks import memory, trl
from benchmarks.ppo import opponent
from training.contracts import PpoSettings
from training.data import Prompt
from training.iteration import Trainer
from training.packing import read_unpadded
from training.reward_model import RewardModel
from training.tokens import tiny_tokenizer

VOCABULARY = 1000
PAD, END = 0, 1
HEAD = (
    f"{'responses':<17} {'':<5} {'episodes/s':>10} {'rollout s':>9} {'update s':>9} {'tokens':>8}"
    f" {'peak MiB':>9}"
)


@dataclass(frozen=True)
class Point:
    """Tokens of the longest response; the mean of their lengths were there no longest (0: none ever ends)."""

    name: str
    limit: int
    mean: int


POINTS = [Point("mixed", 128, 48), Point("short, all alike", 16, 0)]


@dataclass
class Times:
    """Seconds of each iteration, and the real tokens that its update read."""

    rollouts: list[float] = field(default_factory=list)
    updates: list[float] = field(default_factory=list)
    tokens: list[int] = field(default_factory=list)


class Side:
    """Our own trainer, an iteration at a time."""

    def __init__(
        self, settings: PpoSettings, policy: LlamaForCausalLM, reward: RewardModel, prompts: list[list[int]]
    ) -> None:
        longest = [END] * (max(map(len, prompts)) + settings.max_response_tokens)
        policy, reward = copy.deepcopy(policy), copy.deepcopy(reward)
        for model in (policy, reward.backbone):
            read_unpadded(model, longest, PAD)
        value, scorer = copy.deepcopy(reward), reward
        self.trainer = Trainer(settings, policy, value, tiny_tokenizer(), scorer, None, seed=1)
        self.prompts = [Prompt(f"p{n}", "train", (), ids) for n, ids in enumerate(prompts)]
        self.times = Times()

    def turn(self) -> None:
        size, iteration = self.trainer.settings.batch_size, len(self.times.rollouts)
        first = iteration * size
        begun = time.perf_counter()
        rollout = self.trainer.roll_out(self.prompts[first : first + size], iteration + 1)
        learning = time.perf_counter()
        self.trainer.learn(rollout, iteration + 1)
        self.times.rollouts.append(learning - begun)
        self.times.updates.append(time.perf_counter() - learning)
        self.times.tokens.append(int(rollout.batch.mask.sum()))


def models(point: Point) -> tuple[LlamaForCausalLM, RewardModel]:
    """Policy and reward model of 3.5 million parameters, random but for how likely a response is to end."""
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=VOCABULARY, hidden_size=256, intermediate_size=704, num_hidden_layers=4,
        num_attention_heads=4, num_key_value_heads=4, bos_token_id=None, eos_token_id=END, pad_token_id=PAD,
    )  # fmt: skip
    policy = LlamaForCausalLM(config).eval()
    bias = torch.zeros(VOCABULARY)
    bias[PAD] = -1e4  # TRL takes a pad token for the end
    bias[END] = torch.tensor((VOCABULARY - 2) / (point.mean - 1)).log() if point.mean else -1e4
    output = nn.Linear(config.hidden_size, VOCABULARY)
    output.weight = policy.lm_head.weight
    output.bias = nn.Parameter(bias)
    policy.lm_head = output
    return policy, RewardModel(AutoModel.from_config(config)).eval()


def settings_of(point: Point, options: argparse.Namespace) -> PpoSettings:
    # So small a learning rate that lengths stay as they are; its size changes nothing about the work.
    return PpoSettings(
        batch_size=options.batch,
        minibatch_size=options.batch,
        micro_batch_size=options.micro,
        policy_learning_rate=1e-9,
        value_learning_rate=1e-9,
        max_response_tokens=point.limit,
        precision="float32",
    )


def prompts_of(count: int) -> list[list[int]]:
    """Of 32 to 96 tokens."""
    draw = random.Random(0)
    return [[draw.randrange(2, VOCABULARY) for _ in range(draw.randint(32, 96))] for _ in range(count)]


def measure(point: Point, options: argparse.Namespace, *, ours: bool, trl: bool) -> list[Times]:
    """Ours and TRL's, of one process in which they take turns; an empty one of who does not take part."""
    iterations = options.repeats + 1
    settings, (policy, reward) = settings_of(point, options), models(point)
    prompts = prompts_of(iterations * options.batch)
    side = Side(settings, policy, reward, prompts)
    theirs = Times()
    if trl:
        with tempfile.TemporaryDirectory() as folder:
            between = side.turn if ours else lambda: None
            turns = opponent.run(settings, policy, reward, prompts, iterations, Path(folder), between)
        theirs = Times(turns.rollouts, turns.updates, turns.tokens)
    else:
        for _ in range(iterations):
            side.turn()
    return [side.times, theirs]


def peak_memory(point: Point, options: argparse.Namespace, side: str) -> float:
    """MiB that a process holds at most which runs this side alone, once."""
    command = [
        sys.executable, "-m", "benchmarks.ppo", "--only", side, "--point", point.name, "--repeats", "1",
        "--batch", str(options.batch), "--micro", str(options.micro), "--threads", str(options.threads),
    ]  # fmt: skip
    done = subprocess.run(command, cwd=trl.ROOT, check=True, capture_output=True, text=True)
    return float(done.stdout.split()[-1])


def report(point: Point, times: list[Times], peaks: list[float], batch: int) -> float | None:
    """Print a line for each side; returns how many times as many episodes a second ours has as TRL's."""
    seconds = []
    for name, side, peak in zip(("ours", "TRL"), times, peaks, strict=False):
        if not side.rollouts:
            continue
        # The first iteration is not counted.
        rollouts, updates = side.rollouts[1:], side.updates[1:]
        seconds.append(statistics.median(a + b for a, b in zip(rollouts, updates, strict=True)))
        print(
            f"{point.name:<17} {name:<5} {batch / seconds[-1]:>10.2f} {statistics.median(rollouts):>9.3f}"
            f" {statistics.median(updates):>9.3f} {statistics.mean(side.tokens):>8.0f} {peak:>9.0f}",
            flush=True,
        )
    return round(seconds[1] / seconds[0], 2) if len(seconds) == 2 else None


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.ppo", description=__doc__)
    names = [point.name for point in POINTS]
    parser.add_argument("--point", choices=names, nargs="+", default=names)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--batch", type=int, default=64, help="episodes an iteration, and in a minibatch")
    parser.add_argument("--micro", type=int, default=16, help="episodes in one forward of an update")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--no-trl", dest="trl", action="store_false", help="leave TRL out")
    parser.add_argument("--only", choices=("ours", "trl"), help="print what memory this side takes alone")
    options = parser.parse_args(arguments)
    if options.trl and options.only is None and not trl.is_here():
        status = trl.rerun(opponent.VERSION, "benchmarks.ppo", arguments)
        if status is not None:
            return status
        options.trl = False
    torch.set_num_threads(options.threads)
    transformers.logging.set_verbosity_error()
    logging.disable(logging.WARNING)
    warnings.filterwarnings("ignore")  # TRL's own, of a part that it calls experimental
    chosen = [point for point in POINTS if point.name in options.point]
    if options.only:
        measure(chosen[0], options, ours=options.only == "ours", trl=options.only == "trl")
        print(memory.peak())
        return 0
    print(
        f"PPO, one inner epoch, float32, {options.threads} CPU threads, {options.batch} episodes an "
        f"iteration and minibatch, {options.micro} in one forward, median of {options.repeats}, torch "
        f"{torch.__version__}, transformers {transformers.__version__}, "
        f"{f'trl {opponent.VERSION}' if options.trl else 'no TRL'}"
    )
    print(HEAD)
    found: dict[str, float | None] = {}
    for point in chosen:
        times = measure(point, options, ours=True, trl=options.trl)
        sides = ("ours", "trl") if options.trl else ("ours",)
        peaks = [peak_memory(point, options, side) for side in sides]
        found[point.name] = report(point, times, peaks, options.batch)
    mixed, alike = (found.get(point.name) for point in POINTS)
    print(json.dumps({"vs_trl_1_12": mixed, "vs_trl_1_12_short_alike": alike}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
