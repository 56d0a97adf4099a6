"""How the demo projects' loops run: the fields of their loop policies.

STRINGS learns. Its sizes are those with which a model of under a million parameters learns the task on one
CPU thread in a few minutes: 500 steps of SFT on 64 rows, then rankings of six completions, then sixty
iterations of PPO on 128 episodes. Lengths are bytes: a prompt has at most fifteen and two for its roles, a
right answer six and its end. STRINGS_T5 is the same for the other kind of model.
"""

from __future__ import annotations

from typing import Any

LENGTHS = {"max_prompt_tokens": 32, "max_response_tokens": 16}

STRING_STAGES: dict[str, dict[str, Any]] = {
    "sft": {
        **LENGTHS,
        "max_steps": 500,
        "batch_size": 64,
        "learning_rate": 3e-3,
        "warmup_steps": 20,
    },
    # Fewer epochs hardly see a single wrong letter: PPO then finds letters that the reward model likes.
    "reward": {
        **LENGTHS,
        "epochs": 6.0,
        "batch_size": 16,
        "learning_rate": 3e-3,
        "weight_decay": 0.1,
        "warmup_steps": 20,
    },
    "ppo": {
        **LENGTHS,
        "episodes": 60 * 128,
        "batch_size": 128,
        "minibatch_size": 64,
        "policy_learning_rate": 2e-4,
        "value_learning_rate": 3e-4,
        "warmup_iterations": 2,
        # A smaller one lets the policy wander to where the reward model errs.
        "kl_coefficient": 0.15,
        "value_coefficient": 1.0,
        "eos_penalty": 1.0,
        # The paper's 0.992 averages over far more iterations than there are here.
        "ema_decay": 0.0,
    },
    "generate": {**LENGTHS, "completions_per_prompt": 6, "temperature": 1.0, "batch_size": 512},
    "evaluate": {**LENGTHS, "batch_size": 512, "max_prompts": 512},
}

STRINGS: dict[str, Any] = {
    "enabled": True,
    "bootstrap": True,
    "rankings_per_round": 3000,
    "base_model": "tiny",
    "stage_settings": STRING_STAGES,
    "completions_per_item": 6,
    "items_per_round": 3000,
    "overlap": 1,
    "valid_share": 0.10,
    "valid_overlap": 2,
    "include_simulated": True,
}

# Between a T5's decoder and its encoder there are no positions: to find the next letter has to be learned.
# After 500 steps of SFT a reward model from it saw little more than chance (0.556 of pairs), now 0.729.
STRINGS_T5: dict[str, Any] = {
    **STRINGS,
    "base_model": "tiny-t5",
    "stage_settings": {**STRING_STAGES, "sft": {**STRING_STAGES["sft"], "max_steps": 1500}},
}

# EVERYDAY is for looking at the labeling. Nothing starts by itself, and a round that a lead starts ends
# within minutes: it shows the way, but so small a model learns no language from forty prompts.
EVERYDAY_LENGTHS = {"max_prompt_tokens": 512, "max_response_tokens": 256}
EVERYDAY: dict[str, Any] = {
    "overlap": 2,
    "items_per_round": 40,
    "stage_settings": {
        "sft": {**EVERYDAY_LENGTHS, "max_steps": 100, "batch_size": 4, "learning_rate": 1e-3},
        "reward": {**EVERYDAY_LENGTHS, "batch_size": 4, "learning_rate": 5e-4},
        "ppo": {
            **EVERYDAY_LENGTHS,
            "episodes": 10 * 16,
            "batch_size": 16,
            "minibatch_size": 16,
            "policy_learning_rate": 1e-4,
            "value_learning_rate": 3e-4,
            "warmup_iterations": 2,
            "ema_decay": 0.7,
        },
        "generate": {**EVERYDAY_LENGTHS, "batch_size": 64},
        "evaluate": {**EVERYDAY_LENGTHS, "batch_size": 64},
    },
}

EVERYDAY_QUALITY: dict[str, Any] = {"onboarding": True, "gold_rate": 0.05, "repeat_rate": 0.05}
"""New labelers are tested; a check now and then is hidden among what they rank."""
