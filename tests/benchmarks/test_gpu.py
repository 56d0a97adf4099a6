"""The GPU benchmark: its arithmetic by hand, and its whole path on a tiny model, where no figure matters."""

from __future__ import annotations

import json

import pytest
import torch
from transformers import AutoModelForCausalLM

from benchmarks.gpu.__main__ import main
from benchmarks.gpu.flops import Shape, causal_pairs, shape_of, shared_pairs, training_flops
from benchmarks.gpu.jobs import SIZES, config


def test_pairs_of_tokens_are_those_that_see_each_other() -> None:
    assert causal_pairs(4) == 1 + 2 + 3 + 4
    # The prompt's 1 + 2; each response's tokens see the prompt's two, and themselves.
    assert shared_pairs(2, [1, 3]) == 3 + (2 + 1) + (6 + 6)


def test_training_is_six_operations_a_weight_and_token_and_twelve_a_pair() -> None:
    shape = Shape(weights=100, head=50, layers=2, width=8)
    # 6 * (100 * 10 + 50 * 3) + 12 * 2 * 8 * 20
    assert training_flops(shape, tokens=10, pairs=20, predicted=3) == 6 * 1150 + 3840


def test_the_shape_is_read_off_the_model() -> None:
    model = AutoModelForCausalLM.from_config(config(SIZES["tiny"]))
    # A layer: queries 32², output 32², keys and values 32 * 16 each, and three times 32 * 64.
    assert shape_of(model) == Shape(2 * (1024 + 1024 + 512 + 512 + 6144), 32 * 300, 2, 32)
    assert shape_of(model.model).head == 0


def test_the_sizes_are_what_they_are_called() -> None:
    for name, billions in (("1.5B", 1.54), ("7B", 7.6)):
        with torch.device("meta"):
            model = AutoModelForCausalLM.from_config(config(SIZES[name]))
        assert model.num_parameters() / 1e9 == pytest.approx(billions, rel=0.01)


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is one here")
def test_without_a_gpu_it_says_so_and_ends_well(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 0
    said = capsys.readouterr().out
    assert said.startswith("There is no CUDA GPU here: nothing is measured.")
    assert json.loads(said.splitlines()[-1]) == {"device": None}


@pytest.mark.slow
def test_every_job_runs_on_a_tiny_model(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--device", "cpu", "--sizes", "tiny", "--repeats", "1"]) == 0
    found = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert found["peak_tflops"] > 0
    for name in ("SFT tiny", "reward K=4 tiny", "reward K=9 tiny"):
        assert found[name]["mfu"] > 0
        assert found[name]["held_in"] == "weights float32, optimizer float32, activations kept"
    assert found["rollout tiny"]["vs_generate"] > 0
    assert found["rollout tiny"]["mfu"] is None
