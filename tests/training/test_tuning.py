"""LoRA, precision and checkpointed activations."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor
from transformers import GenerationConfig, PreTrainedModel

from tests.training.models import build
from training.checkpoints import load_policy, save_model
from training.contracts import SftSettings
from training.families import response_logits
from training.reward_model import RewardModel
from training.tokens import collate, tiny_tokenizer
from training.tuning import adapters_off, autocast, merge_adapters, trained, tune

BATCH = collate([[3, 40, 41, 4], [3, 50, 4]], [[70, 71, 1], [80, 1]], pad=0)


@torch.no_grad()
def logits_of(model: PreTrainedModel) -> Tensor:
    return response_logits(model, BATCH)


def adapted(family: str) -> PreTrainedModel:
    """A model whose adapters have been trained away from nothing."""
    model = build(family)
    tune(model, SftSettings(lora_rank=4))
    torch.manual_seed(1)
    with torch.no_grad():
        for weight in trained(model):
            weight.normal_(std=0.1)
    return model


@pytest.mark.parametrize("family", ["llama", "gpt2", "t5"])
def test_adapters_start_at_nothing_and_merge_into_a_plain_model(family: str, tmp_path: Path) -> None:
    before = logits_of(build(family))
    fresh = build(family)
    tune(fresh, SftSettings(lora_rank=4))
    assert torch.equal(logits_of(fresh), before)

    model = adapted(family)
    with_adapters = logits_of(model)
    assert (with_adapters - before).abs().max() > 0.01
    with adapters_off(model):
        assert torch.equal(logits_of(model), before)
    assert torch.equal(logits_of(model), with_adapters)
    assert trained(model)

    save_model(model, tiny_tokenizer(), tmp_path)
    assert not list(tmp_path.glob("adapter*"))
    published = load_policy(tmp_path)[0]
    assert type(published) is type(build(family))
    assert torch.allclose(logits_of(published), with_adapters, atol=1e-4)
    assert {name for name, _ in published.named_parameters()} == {
        name for name, _ in build(family).named_parameters()
    }


def test_an_adapter_has_two_factors_of_its_rank_scaled_by_alpha() -> None:
    model = build("llama")
    before = model.model.layers[0].self_attn.q_proj.weight.detach().clone()
    tune(model, SftSettings(lora_rank=2))
    layer = model.model.layers[0].self_attn.q_proj
    first, second = layer.lora_A["default"].weight, layer.lora_B["default"].weight
    assert (first.shape, second.shape) == ((2, 32), (32, 2))
    torch.nn.init.ones_(first)
    torch.nn.init.constant_(second, 0.5)
    merge_adapters(model)
    # Alpha is twice the rank unless it is named: W + 2 B A, and B A is 2 * 0.5 * 1 everywhere.
    assert torch.allclose(model.model.layers[0].self_attn.q_proj.weight, before + 2.0)


def test_only_adapters_and_the_head_of_a_reward_model_are_trained() -> None:
    reward = RewardModel(build("llama").model)
    tune(reward.backbone, SftSettings(lora_rank=4))
    names = {name for name, weight in reward.named_parameters() if weight.requires_grad}
    assert "head.weight" in names
    assert all("lora_" in name for name in names - {"head.weight"})
    # Seven linear layers in each of two blocks, two factors each.
    assert len(names) == 1 + 2 * 7 * 2


@pytest.mark.parametrize("family", ["llama", "gpt2", "t5"])
@pytest.mark.parametrize("rank", [0, 4])
def test_checkpointing_changes_no_gradient(family: str, rank: int) -> None:
    gradients = []
    for checkpointing in (False, True):
        model = build(family)
        torch.manual_seed(2)
        tune(model, SftSettings(lora_rank=rank, gradient_checkpointing=checkpointing))
        model.train()
        response_logits(model, BATCH).logsumexp(dim=-1).sum().backward()
        gradients.append([weight.grad for weight in trained(model)])
    assert any(gradient is not None and gradient.abs().sum() > 0 for gradient in gradients[0])
    for plain, recomputed in zip(*gradients, strict=True):
        assert (plain is None) == (recomputed is None)
        if plain is not None:
            assert torch.allclose(plain, recomputed, atol=1e-5)


def test_bfloat16_computes_in_halves_and_keeps_weights_logits_and_scores_whole() -> None:
    model = build("t5")
    whole = logits_of(model)
    with autocast(SftSettings(precision="bfloat16"), torch.device("cpu")):
        halves = logits_of(model)
    assert halves.dtype == torch.float32
    assert 0 < (halves - whole).abs().max() < 0.2
    assert all(weight.dtype == torch.float32 for weight in model.parameters())

    reward = RewardModel(build("llama").model)
    with autocast(SftSettings(precision="bfloat16"), torch.device("cpu")):
        assert reward(BATCH).dtype == torch.float32
        assert reward.values(BATCH).dtype == torch.float32


def test_auto_is_float32_on_a_cpu() -> None:
    with autocast(SftSettings(), torch.device("cpu")):
        assert (torch.ones(1, 1) @ torch.ones(1, 1)).dtype == torch.float32


def test_a_base_models_generation_defaults_are_not_published(tmp_path: Path) -> None:
    model = build("t5")
    # transformers itself refuses to save a temperature without sampling.
    model.generation_config = GenerationConfig(temperature=0.3, top_k=5, repetition_penalty=2.0)
    save_model(model, tiny_tokenizer(), tmp_path)
    saved = GenerationConfig.from_pretrained(tmp_path)
    assert (saved.temperature, saved.top_k, saved.repetition_penalty) == (None, None, None)
    assert (saved.eos_token_id, saved.pad_token_id, saved.decoder_start_token_id) == (1, 0, 0)
