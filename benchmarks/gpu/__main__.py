"""`make bench-gpu`: the table, and one JSON line last. It wants one CUDA GPU, of whatever kind.

`--device cpu --sizes tiny` runs the same code anywhere, and measures nothing that matters.
"""

from __future__ import annotations

import argparse
import gc
import json
import sys
from collections.abc import Sequence
from typing import Any

import torch
import transformers

from benchmarks.gpu.jobs import JOBS, SIZES, Figures, peak_flops, peak_memory

GOALS = {"SFT 1.5B": 0.45, "SFT 7B": 0.50, "reward K=4 1.5B": 0.40, "reward K=9 1.5B": 0.40}
"""MFU that is to be reached on an H200."""
ROLLOUT_GOAL = 45_000
HEAD = f"{'job':<16} {'tokens/s':>10} {'MFU':>6} {'goal':>6} {'GB':>6}  held in"


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.gpu", description=__doc__)
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--sizes", choices=["real", "tiny"], default="real", help="tiny: to try the code")
    parser.add_argument("--jobs", nargs="*", default=[job.name for job in JOBS], help="some of them")
    parser.add_argument("--repeats", type=int, default=5)
    options = parser.parse_args(arguments)
    if options.device == "cuda" and not torch.cuda.is_available():
        print("There is no CUDA GPU here: nothing is measured. On a machine with one, run this again.")
        print(json.dumps({"device": None}))
        return 0
    transformers.logging.set_verbosity_error()
    torch.set_float32_matmul_precision("high")
    device = torch.device(options.device)
    peak = peak_flops(device, options.repeats)
    found: dict[str, Any] = {"device": _name(device), "peak_tflops": round(peak / 1e12, 2)}
    print(f"{found['device']}, torch {torch.__version__}, transformers {transformers.__version__}")
    print(f"a large matrix product: {peak / 1e12:.2f} TFLOP/s\n{HEAD}")
    for job in JOBS:
        if job.name not in options.jobs:
            continue
        size = "tiny" if options.sizes == "tiny" else job.size
        name = f"{job.name} {size}"
        try:
            with peak_memory(device) as most:
                figures = job.run(SIZES[size], device, options.repeats)
                found[name] = line = _summed_up(figures, peak, most())
            print(_row(name, line), flush=True)
        except torch.OutOfMemoryError:
            found[name] = {"skipped": "out of memory"}
            print(f"{name:<16} skipped: it does not fit into this GPU's memory", flush=True)
        gc.collect()
    print(json.dumps(found))
    return 0


def _summed_up(figures: Figures, peak: float, memory: float | None) -> dict[str, Any]:
    speed = figures.tokens / figures.seconds
    return {
        "tokens_per_second": round(speed, 1),
        "mfu": None if figures.flops is None else round(figures.flops / figures.seconds / peak, 4),
        "peak_gb": None if memory is None else round(memory, 2),
        "vs_generate": None if figures.against is None else round(figures.against / figures.seconds, 2),
        "held_in": figures.state,
    }


def _row(name: str, line: dict[str, Any]) -> str:
    mfu = "-" if line["mfu"] is None else f"{line['mfu']:.1%}"
    goal = f"{GOALS[name]:.0%}" if name in GOALS else "-"
    memory = "-" if line["peak_gb"] is None else f"{line['peak_gb']:.1f}"
    row = f"{name:<16} {line['tokens_per_second']:>10,.0f} {mfu:>6} {goal:>6} {memory:>6}  {line['held_in']}"
    if line["vs_generate"] is not None:
        row += f"; {line['vs_generate']:.1f} × generate (goals: {ROLLOUT_GOAL:,} tokens/s, 4 ×)"
    return row


def _name(device: torch.device) -> str:
    return torch.cuda.get_device_name(device) if device.type == "cuda" else device.type


if __name__ == "__main__":
    sys.exit(main())
