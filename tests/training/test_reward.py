"""The reward stage's own choices, from its run folder: ties, margins, labelers, ensembles, shared prompts."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM, MistralConfig

from tests.training import runs
from tests.training.runs import LIMITS, TINY, make_run, start
from training import data, kfold
from training.contracts import EXIT_BAD_INPUT, EXIT_OUT_OF_MEMORY, TRAINED_ON, RunError, RunResult, read_json
from training.data import Example
from training.reward import score_all
from training.reward_model import Ensemble, load_reward_model
from training.tokens import tiny_tokenizer

QUICK = {"epochs": 1.0, "batch_size": 8, "learning_rate": 1e-2, "bootstrap": 10, **LIMITS}


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model folder of random weights."""
    settings = {"base": TINY, "max_steps": 1, **LIMITS}
    folder = make_run(
        tmp_path_factory.mktemp("base") / "sft", "sft", settings, {"dataset.jsonl": runs.demonstrations(4)}
    )
    assert start("sft", folder) == 0
    return folder / "outputs"


def train(folder: Path, base: Path, items: int = 16, **settings: Any) -> Path:
    inputs = {"dataset.jsonl": runs.comparisons(items), "base": base}
    made = make_run(folder, "reward", {**QUICK, **settings}, inputs)
    assert start("reward", made) == 0
    return made


def report_of(folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((folder / "outputs/report.json").read_text())
    return found


def test_shared_and_separate_prompts_train_to_the_same_losses(base: Path, tmp_path: Path) -> None:
    shared = train(tmp_path / "shared", base)
    apart = train(tmp_path / "apart", base, shared_prefix="off")
    assert report_of(shared)["shared_prefix"]["used"]
    assert report_of(apart)["shared_prefix"] == {"used": False, "difference": None, "why": "turned off"}
    ours, theirs = ([line["loss"] for line in runs.metrics(folder)] for folder in (shared, apart))
    assert ours == pytest.approx(theirs, abs=1e-4)


def test_micro_batches_add_up_to_the_batch(base: Path, tmp_path: Path) -> None:
    whole = runs.metrics(train(tmp_path / "whole", base))
    parts = runs.metrics(train(tmp_path / "parts", base, micro_batch_size=3))
    for name in ("loss", "accuracy", "theta"):
        assert [line[name] for line in parts] == pytest.approx([line[name] for line in whole], abs=1e-4)


def test_who_runs_out_of_memory_is_told_to_split_the_batch(
    base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    inputs = {"dataset.jsonl": runs.comparisons(4), "base": base}
    folder = make_run(tmp_path / "big", "reward", QUICK, inputs)

    def exhausted(*_: object) -> None:
        raise torch.OutOfMemoryError

    monkeypatch.setattr("training.reward.score_items", exhausted)
    assert start("reward", folder) == EXIT_OUT_OF_MEMORY
    assert RunError.read(folder).reason == "Out of memory: lower settings.micro_batch_size (now 8)."


def test_a_window_that_only_a_held_out_item_reaches_is_found_too(base: Path, tmp_path: Path) -> None:
    """The probe looks at every item, since all of them are scored."""
    rows = runs.comparisons(8)
    assert rows[0].split == "valid"
    rows[0] = dataclasses.replace(rows[0], messages=runs.user("say something much longer"))
    window = AutoModelForCausalLM.from_config(
        MistralConfig(
            vocab_size=261, hidden_size=32, intermediate_size=64, num_hidden_layers=2, num_attention_heads=2,
            num_key_value_heads=2, sliding_window=16,
        )
    )  # fmt: skip
    window.save_pretrained(tmp_path / "window")
    tiny_tokenizer().save_pretrained(tmp_path / "window")
    for name, used in (("short", True), ("long", False)):
        dataset = rows[1:] if name == "short" else rows
        inputs = {"dataset.jsonl": dataset, "base": tmp_path / "window"}
        folder = make_run(tmp_path / name, "reward", QUICK, inputs)
        assert start("reward", folder) == 0
        assert report_of(folder)["shared_prefix"]["used"] is used


def test_theta_is_learned_with_the_model_and_kept(base: Path, tmp_path: Path) -> None:
    folder = train(tmp_path / "ties", base)
    report = report_of(folder)
    # Of the two rankings of an item one has a tie: 1 pair of 12, and θ starts at 13 / 11.
    assert report["ties"]["observed"] == pytest.approx(1 / 12)
    assert 0 < report["ties"]["expected"] < 0.5
    assert runs.metrics(folder)[0]["theta"] == pytest.approx(13 / 11, abs=0.02)
    rho = load_file(folder / "outputs/head.safetensors")["rho"]
    assert torch.nn.functional.softplus(rho).exp().item() == pytest.approx(report["ties"]["theta"])


def test_ties_may_be_dropped_as_in_the_paper(base: Path, tmp_path: Path) -> None:
    folder = train(tmp_path / "drop", base, ties="drop")
    assert report_of(folder)["ties"]["theta"] is report_of(folder)["ties"]["expected"] is None
    assert "rho" not in load_file(folder / "outputs/head.safetensors")
    assert "theta" not in runs.metrics(folder)[0]


def test_a_margin_makes_the_first_loss_larger(base: Path, tmp_path: Path) -> None:
    rows = runs.comparisons(8)
    for name, margin in (("without", 0.0), ("with", 1.0)):
        inputs = {"dataset.jsonl": rows, "base": base}
        folder = make_run(tmp_path / name, "reward", {**QUICK, "margin_from_scores": margin}, inputs)
        # The scores of these rows are all alike: give the better completions more.
        dataset = folder / "inputs/dataset.jsonl"
        dataset.write_text(dataset.read_text().replace('"scores":[4,4,4,4]', '"scores":[1,2,4,7]'))
        assert start("reward", folder) == 0
    without, with_margin = (runs.metrics(tmp_path / name)[0]["loss"] for name in ("without", "with"))
    assert with_margin > without + 0.5


def test_a_labeler_who_is_held_out_never_trains(base: Path, tmp_path: Path) -> None:
    report = report_of(train(tmp_path / "named", base, held_out_labelers=["bob"]))
    assert report["labelers"]["held_out"] == ["bob"]
    # 4 held-out items and 12 others; ann orders 6 pairs of each, bob 5.
    assert report["labelers"]["known"]["pairs"] == 4 * 6
    assert report["labelers"]["unknown"]["pairs"] == 4 * 5
    assert report["labelers"]["unknown_train_prompts"]["pairs"] == 12 * 5
    assert report["pairs"] == 4 * 11


def test_a_share_of_the_labelers_is_at_least_one_and_never_all() -> None:
    answers = [runs.ranking(0, name, (1, 2)) for name in ("ann", "bob", "eve", "joe")]
    items = [data.Item("p", "train", [1], [[1], [2]], answers)]
    assert data.held_out_labelers(items, 0.0, seed=1) == []
    assert len(data.held_out_labelers(items, 0.01, seed=1)) == 1
    assert len(data.held_out_labelers(items, 1.0, seed=1)) == 3
    half = data.held_out_labelers(items, 0.5, seed=1)
    assert len(half) == 2
    assert half == data.held_out_labelers(items, 0.5, seed=1)
    assert [one.rankings[0].labeler for one in data.ranked_by(items, half)] == [
        next(name for name in ("ann", "bob", "eve", "joe") if name in half)
    ]


def test_to_hold_out_everybody_is_refused(base: Path, tmp_path: Path) -> None:
    inputs = {"dataset.jsonl": runs.comparisons(4), "base": base}
    folder = make_run(tmp_path / "none", "reward", {**QUICK, "held_out_labelers": ["ann", "bob"]}, inputs)
    assert start("reward", folder) == EXIT_BAD_INPUT
    assert "no ranked item of the train split" in RunError.read(folder).reason


def test_an_evaluation_reward_model_shares_neither_prompts_nor_labelers(base: Path, tmp_path: Path) -> None:
    taught = {}
    for split in ("train", "valid"):
        folder = train(tmp_path / split, base, held_out_labelers=["bob"], learns_from=split)
        taught[split] = read_json(folder / "outputs" / TRAINED_ON)
    assert (taught["train"]["labelers"], taught["valid"]["labelers"]) == (["ann"], ["bob"])
    assert (len(taught["train"]["prompts"]), len(taught["valid"]["prompts"])) == (12, 4)
    assert not set(taught["train"]["prompts"]) & set(taught["valid"]["prompts"])


def test_an_ensemble_is_one_folder_whose_reward_is_the_mean_less_the_variance(
    base: Path, tmp_path: Path
) -> None:
    folder = train(tmp_path / "ensemble", base, members=3, ensemble_lambda=0.25)
    lines = runs.metrics(folder)
    assert [line["step"] for line in lines] == list(range(1, 7))
    model, tokenizer = load_reward_model(folder / "outputs")
    assert isinstance(model, Ensemble)
    examples = [Example([3, 40, 4], [50, 1]), Example([3, 41, 42, 4], [1])]
    alone = torch.stack([score_all(member, tokenizer, examples, 2) for member in model.alone])
    expected = alone.mean(dim=0) - 0.25 * ((alone - alone.mean(dim=0)) ** 2).mean(dim=0)
    assert score_all(model, tokenizer, examples, 2).tolist() == pytest.approx(expected.tolist())
    heads = [member.head.weight for member in model.alone]
    assert not torch.allclose(heads[0], heads[1])


def test_ppo_and_evaluate_take_an_ensemble(base: Path, tmp_path: Path) -> None:
    reward = train(tmp_path / "ensemble", base, items=8, members=2) / "outputs"
    inputs = {"prompts.jsonl": runs.prompts(4), "policy": base, "reward": reward}
    ppo = make_run(
        tmp_path / "ppo", "ppo", {"episodes": 4, "batch_size": 4, "minibatch_size": 4, **LIMITS}, inputs
    )
    assert start("ppo", ppo) == 0
    judged = make_run(tmp_path / "evaluate", "evaluate", {"temperatures": [1.0], **LIMITS}, inputs)
    assert start("evaluate", judged) == 0
    assert "reward" in RunResult.read(judged).metrics["temperatures"]["1.0"]


def test_every_labeler_is_held_out_once_by_kfold(
    base: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = train(tmp_path / "run", base)
    published = (folder / "outputs/manifest.json").read_bytes()
    assert kfold.main([str(folder), "--folds", "2"]) == 0
    report = json.loads((folder / "kfold/report.json").read_text())
    assert sorted(fold["held_out"] for fold in report["folds"]) == [["ann"], ["bob"]]
    assert report["unknown"]["accuracy"] == pytest.approx(
        sum(fold["unknown"]["accuracy"] for fold in report["folds"]) / 2
    )
    assert (folder / "outputs/manifest.json").read_bytes() == published
    assert "labelers it never saw" in capsys.readouterr().out
    assert kfold.main([str(folder), "--folds", "3"]) == 1
    assert "3 folds of 2 labelers" in capsys.readouterr().err


def test_the_interval_of_a_few_folds_is_students() -> None:
    # Mean 0.7, standard deviation 0.1, two degrees of freedom: 4.303 * 0.1 / sqrt(3).
    assert kfold.mean([0.6, 0.7, 0.8]) == pytest.approx({"accuracy": 0.7, "plus_minus": 0.248434}, abs=1e-5)
    assert kfold.mean([0.6, None]) == {"accuracy": 0.6, "plus_minus": None}
    assert kfold.mean([None]) == {"accuracy": None, "plus_minus": None}


def test_use_case_and_language_reach_the_items(tmp_path: Path) -> None:
    path = tmp_path / "dataset.jsonl"
    (row,) = runs.comparisons(1)
    path.write_text(runs.row_bytes(row).decode().replace('"language":""', '"language":"zh"'))
    (item,) = data.load_items(path, tiny_tokenizer(), 32, 8).items
    assert item.language == "zh"
