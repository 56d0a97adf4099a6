"""`make bench-sft`: the table, and one JSON line last. `--help` lists what can be left out."""

from __future__ import annotations

import argparse
import json
import math
import random
import statistics
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import torch
import transformers
from transformers import LlamaConfig, LlamaForCausalLM
from transformers.trainer_pt_utils import LengthGroupedSampler

from benchmarks import memory, trl
from benchmarks.reward import opponent
from benchmarks.sft.opponent import Opponent
from training.data import Example, training_batches
from training.packing import Packing

VOCABULARY = 8000
LIMIT = 1024
PROMPT = (408, 283)
"""Mean and median tokens (InstructGPT, table 9)."""
RESPONSE_MEANS = {"contractor": 38, "customer": 88}
"""Mean tokens of a demonstration (tables 9 and 11); of each ten, nine are contractors' (table 6)."""

Step = Callable[[Sequence[Example]], float]


class Side(NamedTuple):
    name: str
    step: Step
    batches: list[list[Example]]


def lognormal(mean: float, median: float, draw: random.Random) -> int:
    """A lognormal has the median e^mu and the mean e^(mu + sigma^2 / 2); cut off at the limit."""
    length = draw.lognormvariate(math.log(median), math.sqrt(2 * math.log(mean / median)))
    return max(1, min(LIMIT, round(length)))


def lengths(point: str, draw: random.Random) -> tuple[int, int]:
    """Tokens of a prompt and its response. The responses' medians are not published: as skewed as prompts."""
    if point == "equal":
        return 256, 64
    if point == "short":
        return draw.randint(8, 24), draw.randint(4, 16)
    mean = RESPONSE_MEANS["contractor" if draw.random() < 0.89 else "customer"]
    return lognormal(*PROMPT, draw), lognormal(mean, mean * PROMPT[1] / PROMPT[0], draw)


def examples_of(point: str, count: int) -> list[Example]:
    draw = random.Random(1)

    def text(length: int) -> list[int]:
        return [draw.randrange(1, VOCABULARY) for _ in range(length)]

    return [Example(*map(text, lengths(point, draw))) for _ in range(count)]


def llama() -> LlamaForCausalLM:
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=VOCABULARY, hidden_size=256, intermediate_size=704, num_hidden_layers=4,
        num_attention_heads=4, num_key_value_heads=4, pad_token_id=0, max_position_embeddings=2 * LIMIT,
    )  # fmt: skip
    model = LlamaForCausalLM(config)
    model.train()
    return model


def ours(model: LlamaForCausalLM, packing: Packing) -> Step:
    def step(examples: Sequence[Example]) -> float:
        model.zero_grad()
        loss = -packing.log_probs(model, examples).mean()
        loss.backward()
        return loss.item()

    return step


def sides_of(model: LlamaForCausalLM, point: str, options: argparse.Namespace, folder: Path) -> list[Side]:
    """Every side reads each example once, in batches of its own making."""
    examples = examples_of(point, options.examples)
    size, steps = options.batch, math.ceil(options.examples / options.batch)
    total = [len(example.prompt) + len(example.response) for example in examples]

    def cut(order: Sequence[int]) -> list[list[Example]]:
        return [[examples[i] for i in order[at : at + size]] for at in range(0, len(order), size)]

    packed = [[examples[i] for i in part] for part in training_batches(total, size, steps, seed=1)]
    sides = [Side("packed", ours(model, Packing(model, examples, 0, 2 * LIMIT)), packed)]
    if options.trl:
        rival = Opponent(model, folder)
        generator = torch.Generator().manual_seed(1)
        at_random = torch.randperm(len(examples), generator=generator).tolist()
        grouped = list(LengthGroupedSampler(size, lengths=total, generator=generator))
        sides += [Side("padded", rival.step, cut(at_random)), Side("grouped", rival.step, cut(grouped))]
    return sides


def measure(
    point: str, model: LlamaForCausalLM, options: argparse.Namespace, folder: Path
) -> dict[str, float]:
    """Response tokens a second of each side, taking turns, after one turn that is not counted."""
    sides = sides_of(model, point, options, folder)
    batch = sides[0].batches[0]
    losses = [side.step(batch) for side in sides]
    seconds: dict[str, list[float]] = {side.name: [] for side in sides}
    for turn in range(options.repeats + 1):
        for side in sides:
            begun = time.perf_counter()
            for part in side.batches:
                side.step(part)
            if turn:
                seconds[side.name].append(time.perf_counter() - begun)
    tokens = sum(len(example.response) for part in sides[0].batches for example in part)
    speed = {name: tokens / statistics.median(taken) for name, taken in seconds.items()}
    cells = "".join(f"{speed[name]:>9.0f}" if name in speed else f"{'–':>9}" for name in HEAD[1:4])
    ratios = "".join(
        f"{speed['packed'] / speed[name]:>11.2f}" if name in speed else f"{'–':>11}" for name in HEAD[2:4]
    )
    print(f"{point:<8}{cells}{ratios}{max(losses) - min(losses):>10.1e}", flush=True)
    return speed


HEAD = ("lengths", "packed", "padded", "grouped")
POINTS = ("paper", "equal", "short")


def peaks(options: argparse.Namespace) -> None:
    """Peak memory of each side alone, in a process of its own, over one pass of the paper's lengths."""
    for name in HEAD[1 : 4 if options.trl else 2]:
        command = [
            sys.executable,
            "-m",
            "benchmarks.sft",
            "--peak",
            name,
            "--examples",
            str(options.examples),
        ]
        done = subprocess.run([*command, "--batch", str(options.batch)], capture_output=True, text=True)
        print(f"Peak memory, {name}: {done.stdout.strip() or 'not measured'}", flush=True)


def peak(options: argparse.Namespace, folder: Path) -> None:
    options.trl = options.peak != "packed"
    side = next(one for one in sides_of(llama(), "paper", options, folder) if one.name == options.peak)
    for part in side.batches:
        side.step(part)
    print(f"{memory.peak():.0f} MB")


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.sft", description=__doc__)
    parser.add_argument("--points", nargs="+", choices=POINTS, default=POINTS)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--examples", type=int, default=128, help="that every side reads once a turn")
    parser.add_argument("--batch", type=int, default=8, help="examples in a step")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--no-trl", dest="trl", action="store_false", help="leave TRL out")
    parser.add_argument("--peak", choices=HEAD[1:], help="measure the memory of one side alone")
    options = parser.parse_args(arguments)
    if options.trl and not options.peak and not trl.is_here():
        status = trl.rerun(opponent.VERSION, "benchmarks.sft", arguments)
        if status is not None:
            return status
        options.trl = False
    torch.set_num_threads(options.threads)
    transformers.logging.set_verbosity_error()
    warnings.filterwarnings("ignore")  # TRL's own settings
    speeds: dict[str, dict[str, float]] = {}
    with tempfile.TemporaryDirectory() as name:
        if options.peak:
            peak(options, Path(name))
            return 0
        print(
            f"Response tokens a second, forward and backward; float32, {options.threads} CPU threads, "
            f"{options.examples} examples in batches of {options.batch}, median of {options.repeats}, torch "
            f"{torch.__version__}, transformers {transformers.__version__}, "
            f"{f'trl {opponent.VERSION}' if options.trl else 'no TRL'}"
        )
        print("lengths    packed   padded  grouped   / padded  / grouped    Δ loss")
        model = llama()
        for point in options.points:
            speeds[point] = measure(point, model, options, Path(name))
        peaks(options)
    print(json.dumps(summary(speeds)))
    return 0


def summary(speeds: dict[str, dict[str, float]]) -> dict[str, float | None]:
    """Against padding at the paper's lengths, and the worst of all lengths against grouping."""
    paper = speeds.get("paper", {})
    padded = paper["packed"] / paper["padded"] if "padded" in paper else None
    grouped = [speed["packed"] / speed["grouped"] for speed in speeds.values() if "grouped" in speed]
    return {
        "vs_padded": None if padded is None else round(padded, 2),
        "vs_grouped": round(min(grouped), 2) if grouped else None,
    }


if __name__ == "__main__":
    sys.exit(main())
