"""The jobs: the stages' own functions on random weights and random tokens, each with what it amounted to."""

from __future__ import annotations

import random
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from typing import Any, TypeVar

import torch
from torch import nn
from transformers import AutoModel, AutoModelForCausalLM, Qwen2Config

from benchmarks.gpu.flops import causal_pairs, shape_of, shared_pairs, training_flops
from training.contracts import Tuning
from training.data import Example, Item
from training.losses import chunked_nats
from training.optimizer import adam
from training.packing import Rows, lay_out, states_before
from training.prefix import row_tokens, score_items, try_sharing
from training.reward_losses import kwise_loss, kwise_pairs
from training.reward_model import RewardModel
from training.sampling import sample
from training.tuning import autocast, tune

T = TypeVar("T")

PAD = 0


@dataclass(frozen=True)
class Size:
    """A model's shape, those of the Qwen2.5 family; "tiny" is there to run the code anywhere."""

    hidden: int
    inner: int
    layers: int
    heads: int
    key_heads: int
    words: int
    tied: bool
    row: int = 4096
    """Tokens of a packed row."""
    rows: int = 8
    """In one step of the optimizer."""
    items: int = 16
    together: int = 8192
    """Tokens in one pass forward and back; the gradients of a step are added up."""
    batch: int = 256
    """Responses sampled at once, to prompts of `prompt` tokens; `limit` tokens each."""
    prompt: int = 144
    limit: int = 256
    mean: int = 256
    """Tokens of a text on average."""


SIZES = {
    "tiny": Size(
        32,
        64,
        2,
        4,
        2,
        300,
        True,
        row=256,
        rows=2,
        items=2,
        together=256,
        batch=4,
        prompt=8,
        limit=6,
        mean=24,
    ),
    "1.5B": Size(1536, 8960, 28, 12, 2, 151_936, True),
    "7B": Size(3584, 18_944, 28, 28, 4, 152_064, False),
}


@dataclass(frozen=True)
class Job:
    name: str
    size: str
    run: Callable[[Size, torch.device, int], Figures]


@dataclass(frozen=True)
class Figures:
    """Medians over the repeats."""

    seconds: float
    tokens: int
    """Real ones that a step reads, or in a rollout those that it writes."""
    flops: float | None
    """Of a step; None where MFU says nothing: what writes waits for memory."""
    state: str
    """The optimizer's and the weights' numbers, and whether activations are kept."""
    against: float | None = None
    """Seconds of the plain way."""


def config(size: Size) -> Qwen2Config:
    return Qwen2Config(
        vocab_size=size.words, hidden_size=size.hidden, intermediate_size=size.inner,
        num_hidden_layers=size.layers, num_attention_heads=size.heads, num_key_value_heads=size.key_heads,
        tie_word_embeddings=size.tied, max_position_embeddings=32_768, pad_token_id=PAD, bos_token_id=None,
        eos_token_id=None,
    )  # fmt: skip


def sft(size: Size, device: torch.device, repeats: int) -> Figures:
    """Packed rows, all of whose texts are learned; FlexAttention on CUDA."""
    model = _made(AutoModelForCausalLM, size, device)
    settings = Tuning(gradient_checkpointing=size.hidden > 2000)
    tune(model, settings)
    model.train()
    if device.type == "cuda":
        model.set_attn_implementation("flex_attention")
    rows = [_texts(size, seed) for seed in range(size.rows)]
    optimizer = adam(model.parameters(), 1e-6)
    pairs = sum(causal_pairs(len(text)) for row in rows for text in row)
    tokens = sum(len(text) for row in rows for text in row)
    predicted = tokens - sum(map(len, rows))
    passes = list(batched(rows, max(1, size.together // size.row)))

    def step() -> None:
        for some in passes:
            laid = packed(some, device)
            with autocast(settings, device):
                nats = chunked_nats(states_before(model, laid), model.lm_head, laid.targets)
            torch.autograd.backward(nats.sum() / predicted)
        _move(model, optimizer)

    flops = training_flops(shape_of(model), tokens, pairs, predicted)
    return Figures(_median(step, device, repeats), tokens, flops, _state(model, optimizer, settings))


def packed(rows: Sequence[Sequence[list[int]]], device: torch.device) -> Rows:
    """The texts of each row in a row, every token but a text's first to be predicted."""
    examples = [Example(text[:1], text[1:]) for row in rows for text in row]
    places = iter(range(len(examples)))
    return lay_out(examples, [list(islice(places, len(row))) for row in rows], PAD, device)


def reward(completions: int) -> Callable[[Size, torch.device, int], Figures]:
    """K completions of a prompt in one row, if the probe allows it, as it must here."""

    def run(size: Size, device: torch.device, repeats: int) -> Figures:
        model = RewardModel(_made(AutoModel, size, device)).to(device)
        settings = Tuning(gradient_checkpointing=False)
        tune(model.backbone, settings)
        items = [_item(size, completions, seed) for seed in range(size.items)]
        sharing = try_sharing(model, items, PAD, size.row)
        if not sharing.used:
            raise RuntimeError(f"no shared prefix: {sharing.why}")
        model.train()
        optimizer = adam(model.parameters(), 1e-6)
        longest = max(map(row_tokens, items))
        passes = list(batched(items, max(1, size.together // longest)))

        def step() -> None:
            for some in passes:
                wanted = kwise_pairs([[tuple(range(1, completions + 1))] for _ in some])
                with autocast(settings, device):
                    scores = score_items(model, some, PAD, size.row)
                loss = kwise_loss(scores, wanted) * len(some) / len(items)
                torch.autograd.backward(loss)
            _move(model, optimizer)

        lengths = [(len(item.prompt), [len(one) for one in item.responses]) for item in items]
        tokens = sum(prompt + sum(responses) for prompt, responses in lengths)
        pairs = sum(shared_pairs(prompt, responses) for prompt, responses in lengths)
        flops = training_flops(shape_of(model.backbone), tokens, pairs)
        return Figures(_median(step, device, repeats), tokens, flops, _state(model, optimizer, settings))

    return run


def rollout(size: Size, device: torch.device, repeats: int) -> Figures:
    """Responses of a set length, our sampler against transformers' `generate` at the same settings."""
    settings = Tuning()
    precise = torch.bfloat16 if device.type == "cuda" else torch.float32
    model = _made(AutoModelForCausalLM, size, device)
    draw = random.Random(0)
    prompts = [[draw.randrange(1, size.words) for _ in range(size.prompt)] for _ in range(size.batch)]

    def ours() -> None:
        with autocast(settings, device):
            # No token is -1: nothing ends before the limit.
            sample(model, prompts, range(size.batch), end=-1, pad=PAD, limit=size.limit, seed=0)

    @torch.no_grad()
    def plain() -> None:
        ids = torch.tensor(prompts, device=device)
        with autocast(settings, device):
            model.generate(
                ids, attention_mask=torch.ones_like(ids), do_sample=True, top_k=0, min_new_tokens=size.limit,
                max_new_tokens=size.limit,
            )  # fmt: skip

    seconds, against = _median(ours, device, repeats), _median(plain, device, repeats)
    state = f"weights float32, products {str(precise).removeprefix('torch.')}"
    return Figures(seconds, size.batch * size.limit, None, state, against)


JOBS = [
    Job("SFT", "1.5B", sft),
    Job("SFT", "7B", sft),
    Job("reward K=4", "1.5B", reward(4)),
    Job("reward K=9", "1.5B", reward(9)),
    Job("rollout", "1.5B", rollout),
]


def _made(kind: Any, size: Size, device: torch.device) -> Any:
    torch.manual_seed(0)
    with torch.device(device):
        return kind.from_config(config(size)).eval()


def _texts(size: Size, seed: int) -> list[list[int]]:
    """Texts of half to one and a half times the mean that fill a row as far as whole ones can."""
    draw = random.Random(seed)
    texts: list[list[int]] = []
    room = size.row
    while (length := draw.randint(size.mean // 2, 3 * size.mean // 2)) <= room:
        texts.append([draw.randrange(1, size.words) for _ in range(length)])
        room -= length
    return texts


def _item(size: Size, completions: int, seed: int) -> Item:
    """InstructGPT's mean prompt of a ranking is about twice as long as a response (reference: table 9)."""
    draw = random.Random(seed)

    def text(mean: int) -> list[int]:
        return [draw.randrange(1, size.words) for _ in range(draw.randint(mean // 2, 3 * mean // 2))]

    prompt = text(size.mean)
    return Item(f"p{seed}", "train", prompt, [text(size.mean // 2) for _ in range(completions)], [])


def batched(things: Sequence[T], size: int) -> Iterator[Sequence[T]]:
    for start in range(0, len(things), size):
        yield things[start : start + size]


def _move(model: nn.Module, optimizer: torch.optim.Optimizer) -> None:
    torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    optimizer.step()
    optimizer.zero_grad()


def _state(model: nn.Module, optimizer: torch.optim.Optimizer, settings: Tuning) -> str:
    weight = next(model.parameters())
    held = {str(v.dtype) for s in optimizer.state.values() for v in s.values() if v.ndim}
    kept = "activations computed twice" if settings.gradient_checkpointing else "activations kept"
    names = f"weights {weight.dtype}, optimizer {', '.join(sorted(held))}".replace("torch.", "")
    return f"{names}, {kept}"


def _median(step: Callable[[], None], device: torch.device, repeats: int) -> float:
    """Seconds of a step; the first two are not counted, in which kernels are compiled and memory is found."""
    taken = []
    for number in range(repeats + 2):
        _settle(device)
        begun = time.perf_counter()
        step()
        _settle(device)
        if number > 1:
            taken.append(time.perf_counter() - begun)
    return statistics.median(taken)


def _settle(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def peak_flops(device: torch.device, repeats: int) -> float:
    """FLOP/s of a large matrix product in the precision of the jobs: what they are measured against."""
    width = 8192 if device.type == "cuda" else 512
    kind = torch.bfloat16 if device.type == "cuda" else torch.float32
    left, right = torch.randn(2, width, width, device=device, dtype=kind)

    def multiply() -> None:
        torch.mm(left, right)

    return 2.0 * width**3 / _median(multiply, device, max(repeats, 20))


@contextmanager
def peak_memory(device: torch.device) -> Iterator[Callable[[], float | None]]:
    """GB that were in use at most since the beginning; None where the device does not count them."""
    if device.type == "cuda":
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats(device)
    yield lambda: torch.cuda.max_memory_allocated(device) / 1e9 if device.type == "cuda" else None
