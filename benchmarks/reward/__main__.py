"""`make bench-reward`: the table, and one JSON line last. `--help` lists what can be left out."""

from __future__ import annotations

import argparse
import json
import random
import statistics
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch
import transformers
from transformers import AutoModel, LlamaConfig, T5Config

from benchmarks import trl
from benchmarks.reward import opponent
from benchmarks.reward.opponent import Opponent, gradient
from training.contracts import RankingRow
from training.data import Item
from training.prefix import score_items, shared_states
from training.reward_losses import kwise_loss, kwise_pairs
from training.reward_model import RewardModel

SIZES, RATIOS = [4, 6, 9], [0.5, 2.0, 4.0]
RESPONSE = 64
"""Tokens of a response on average; they are drawn evenly from half to one and a half times that."""
VOCABULARY = 1000
ROW_LIMIT = 1_000_000
HEAD = (
    f"{'model':<6} {'K':>2} {'P/R':>4} {'TRL':>9} {'K-wise':>9} {'shared':>9} {'/ TRL':>7} {'/ K-wise':>8}"
    f" {'|Δ loss|':>9} {'Δ grad':>9}"
)

Step = Callable[[Sequence[Item]], float]


@dataclass(frozen=True)
class Point:
    """Seconds a batch of each side; TRL's is None where it cannot be had or has no such model."""

    model: str
    k: int
    ratio: float
    trl: float | None
    kwise: float
    shared: float
    loss_difference: float
    gradient_difference: float

    @property
    def vs_trl(self) -> float | None:
        return self.trl / self.shared if self.trl else None

    @property
    def vs_kwise(self) -> float:
        return self.kwise / self.shared


class Side:
    """Our own trainer's step: scores, loss and gradients of a batch of items."""

    def __init__(self, model: RewardModel, row_limit: int, *, alone: bool = False) -> None:
        self.model, self.row_limit, self.alone = model, row_limit, alone

    def step(self, items: Sequence[Item]) -> float:
        self.model.zero_grad()
        pairs = kwise_pairs([item.orders for item in items])
        if self.alone:
            items = [replace(item, responses=[one]) for item in items for one in item.responses]
        if self.model.backbone.config.is_encoder_decoder:
            scores = self.model.score(shared_states(self.model.backbone, items, pad=0))
        else:
            scores = score_items(self.model, items, 0, self.row_limit)
        loss = kwise_loss(scores, pairs)
        loss.backward()
        return loss.item()

    def gradient(self) -> torch.Tensor:
        return gradient([*self.model.backbone.parameters(), self.model.head.weight])


def llama() -> RewardModel:
    """3.5 million parameters."""
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=VOCABULARY, hidden_size=256, intermediate_size=704, num_hidden_layers=4,
        num_attention_heads=4, num_key_value_heads=4, pad_token_id=0,
    )  # fmt: skip
    return RewardModel(AutoModel.from_config(config)).train()


def t5() -> RewardModel:
    """4 million parameters, half of them in the encoder's and half in the decoder's four blocks."""
    torch.manual_seed(0)
    config = T5Config(
        vocab_size=VOCABULARY, d_model=256, d_kv=64, d_ff=704, num_layers=4, num_heads=4, dropout_rate=0.0,
    )  # fmt: skip
    return RewardModel(AutoModel.from_config(config)).train()


def batch_of(k: int, ratio: float, items: int) -> list[Item]:
    """Items of K completions with one ranking each, without ties, which TRL cannot learn."""
    draw = random.Random(k)

    def text(length: int) -> list[int]:
        return [draw.randrange(1, VOCABULARY) for _ in range(length)]

    found = []
    for number in range(items):
        responses = [text(draw.randint(RESPONSE // 2, 3 * RESPONSE // 2)) for _ in range(k)]
        ranks = tuple(draw.sample(range(1, k + 1), k))
        ranking = RankingRow(f"r{number}", 1, "ann", ranks, (4,) * k, False, ((),) * k)
        prompt = text(round(ratio * sum(map(len, responses)) / k))
        found.append(Item(f"p{number}", "train", prompt, responses, [ranking]))
    return found


def interleaved(steps: Sequence[Step], items: Sequence[Item], repeats: int) -> list[float]:
    """The median seconds of each, taking turns, after one turn that is not counted."""
    taken: list[list[float]] = [[] for _ in steps]
    for turn in range(repeats + 1):
        for step, times in zip(steps, taken, strict=True):
            begun = time.perf_counter()
            step(items)
            if turn:
                times.append(time.perf_counter() - begun)
    return [statistics.median(times) for times in taken]


def measure(
    name: str, sides: Sequence[Side | Opponent], k: int, ratio: float, options: argparse.Namespace
) -> Point:
    """`sides` are shared, K-wise and, where there is one, TRL."""
    items = batch_of(k, ratio, options.items)
    losses = [side.step(items) for side in sides]
    ours, *others = [side.gradient() for side in sides]
    times = interleaved([side.step for side in sides], items, options.repeats)
    return Point(
        model=name,
        k=k,
        ratio=ratio,
        trl=times[2] if len(times) > 2 else None,
        kwise=times[1],
        shared=times[0],
        loss_difference=max(abs(loss - losses[0]) for loss in losses[1:]),
        gradient_difference=max(float((ours - other).norm() / other.norm()) for other in others),
    )


def report(point: Point, items: int) -> None:
    trl, vs_trl = ("–", "–")
    if point.trl and point.vs_trl:
        trl, vs_trl = f"{items / point.trl:.2f}", f"{point.vs_trl:.2f}"
    print(
        f"{point.model:<6} {point.k:>2} {point.ratio:>4g} {trl:>9} {items / point.kwise:>9.2f}"
        f" {items / point.shared:>9.2f} {vs_trl:>7} {point.vs_kwise:>8.2f} {point.loss_difference:>9.1e}"
        f" {point.gradient_difference:>9.1e}",
        flush=True,
    )


def summary(points: Sequence[Point]) -> dict[str, float | None]:
    """The worst of the points with P >= 2R, and the largest difference of gradients anywhere."""

    def worst(model: str, k: int | None, of: Callable[[Point], float | None]) -> float | None:
        chosen = [p for p in points if p.model == model and p.ratio >= 2 and k in (None, p.k)]
        found = [value for value in map(of, chosen) if value is not None]
        return round(min(found), 2) if found else None

    return {
        **{f"k{k}_vs_trl": worst("llama", k, lambda p: p.vs_trl) for k in (4, 6, 9)},
        **{f"k{k}_vs_kwise": worst("llama", k, lambda p: p.vs_kwise) for k in (4, 9)},
        "t5_vs_unshared": worst("t5", None, lambda p: p.vs_kwise),
        "grad_rel_diff": max((point.gradient_difference for point in points), default=None),
    }


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.reward", description=__doc__)
    parser.add_argument("--sizes", type=int, nargs="+", default=SIZES, help="K, completions an item")
    parser.add_argument("--ratios", type=float, nargs="+", default=RATIOS, help="prompt over response tokens")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--items", type=int, default=2, help="in a batch")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--no-trl", dest="trl", action="store_false", help="leave TRL out")
    options = parser.parse_args(arguments)
    if options.trl and not trl.is_here():
        status = trl.rerun(opponent.VERSION, "benchmarks.reward", arguments)
        if status is not None:
            return status
        options.trl = False
    torch.set_num_threads(options.threads)
    transformers.logging.set_verbosity_error()
    warnings.filterwarnings("ignore", category=FutureWarning)  # TRL's own settings
    print(
        f"Rankings a second, forward and backward; float32, {options.threads} CPU threads, {options.items} "
        f"items a batch, median of {options.repeats}, torch {torch.__version__}, transformers "
        f"{transformers.__version__}, {f'trl {opponent.VERSION}' if options.trl else 'no TRL'}"
    )
    print(HEAD)
    points: list[Point] = []
    with tempfile.TemporaryDirectory() as folder:
        decoder = llama()
        sides: list[Side | Opponent] = [Side(decoder, ROW_LIMIT), Side(decoder, 0)]
        if options.trl:
            sides.append(Opponent(decoder, Path(folder)))
        both = t5()
        for name, rivals in (("llama", sides), ("t5", [Side(both, ROW_LIMIT), Side(both, 0, alone=True)])):
            for k in options.sizes:
                for ratio in options.ratios:
                    points.append(measure(name, rivals, k, ratio, options))
                    report(points[-1], options.items)
    print("K-wise: our own trainer, each completion read apart; with T5, the prompt encoded for each.")
    print(json.dumps(summary(points)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
