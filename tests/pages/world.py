"""What a lead looks at: runs, models and rounds in any state, made by the verbs that make the real ones."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from django.test import Client

from labeling.actions import artifacts, datasets, publishing, runs
from labeling.models import DatasetVersion, Membership, ModelVersion, Project, Role, Round, Run, User
from tests import build, learn
from training.contracts import SETTINGS, RunResult, write_manifest


def lead(of: Project, name: str = "lin", **more: Any) -> Membership:
    membership = build.member(of, name, Role.LEAD)
    User.objects.filter(pk=membership.user_id).update(**{"language": "en", "time_zone": "UTC", **more})
    membership.user.refresh_from_db()
    return membership


def signed_in(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client


def frozen(of: Project, kind: str = "sft") -> DatasetVersion:
    """A version of what is there; there is something new in it each time."""
    if kind == "comparisons":
        build.rank_items(of, 1, k=3)
        learn.rank(of.memberships.get(user__username="ann"))
    else:
        learn.imported(of, 1)
    return datasets.freeze(of, kind)


def waiting(stage: str, inputs: dict[str, Any], *, round: Round | None = None, seed: int = 1) -> Run:
    project = next(iter(inputs.values())).project
    made = SETTINGS[stage]()  # type: ignore[index]
    return runs.create(project, stage, settings=made, seed=seed, inputs=inputs, round=round)


def running(run: Run, metrics: list[dict[str, Any]], total: int = 100) -> runs.Claim:
    """A worker holds the run and has sent these lines."""
    claim = runs.claim(run.pk)
    assert claim is not None
    runs.record_metrics(claim, 0, metrics)
    runs.heartbeat(claim, len(metrics), total)
    run.refresh_from_db()
    return claim


def completed(run: Run, folder: Path, **figures: Any) -> ModelVersion:
    """The run has published a model with these figures."""
    claim = running(run, [{"step": step, "total": 3, "loss": 3.0 / step} for step in (1, 2, 3)], 3)
    output = folder / run.public_id
    output.mkdir(parents=True)
    (output / "model.safetensors").write_bytes(run.public_id.encode())
    digest = write_manifest(output)
    publishing.publish(claim, RunResult(run.stage, figures, digest), artifacts.keep(output))  # type: ignore[arg-type]
    run.refresh_from_db()
    return ModelVersion.objects.get(run=run)


def sft_model(of: Project, folder: Path, *, round: Round | None = None) -> ModelVersion:
    return completed(
        waiting("sft", {"dataset.jsonl": frozen(of)}, round=round), folder, loss=0.6, valid_loss=0.7
    )


def reward_model(of: Project, folder: Path, base: ModelVersion, **figures: Any) -> ModelVersion:
    inputs = {"dataset.jsonl": frozen(of, "comparisons"), "base": base}
    measured = {"accuracy": 0.664, "accuracy_low": 0.641, "accuracy_high": 0.688, "agreement": 0.703}
    return completed(waiting("reward", inputs), folder, **{**measured, **figures})


def policy_model(of: Project, folder: Path, base: ModelVersion, reward: ModelVersion) -> ModelVersion:
    prompts = datasets.freeze(of, "prompts")
    inputs = {"prompts.jsonl": prompts, "policy": base, "reward": reward}
    return completed(waiting("ppo", inputs), folder, score=0.671, score_error=0.02, kl=1.52, kl_error=0.01)
