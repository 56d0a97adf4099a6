"""What a generate run sampled: equal samples are one completion, whose origin lists them."""

from __future__ import annotations

import pytest

from labeling.actions.completions import Outcome, outside_model, store_generated
from labeling.actions.errors import BadInput
from labeling.models import Completion, CompletionOrigin, ModelVersion, Run
from tests import build
from training.contracts import GeneratedRow

pytestmark = pytest.mark.django_db


def sampled(prompt, sample, text, **of_another_backend):
    return GeneratedRow(**{
        "prompt": prompt.public_id, "sample": sample, "text": text, "temperature": 1.0, "top_p": 0.9,
        "seed": 7, "tokens": 3, "finish": "eos", "logprob": -1.5, **of_another_backend,
    })  # fmt: skip


def a_run(project):
    """A generate run and the policy that it samples from."""
    sft = Run.objects.create(project=project, stage="sft", recipe_digest="0", state="completed", artifact="0")
    model = ModelVersion.objects.create(project=project, kind="sft", name="first", run=sft, artifact="0")
    return Run.objects.create(project=project, stage="generate", recipe_digest="1"), model


def test_equal_samples_are_one_completion_that_lists_them():
    project = build.project()
    prompt, other = build.prompt(project, "1?"), build.prompt(project, "2?")
    run, model = a_run(project)
    rows = [
        sampled(prompt, 0, "a"),
        sampled(other, 0, "a"),
        sampled(prompt, 1, "b"),
        sampled(prompt, 2, " a"),
        sampled(prompt, 3, ""),
    ]
    assert store_generated(run, rows, model) == {Outcome.STORED: 3, Outcome.MERGED: 1, Outcome.EMPTY: 1}
    origin = CompletionOrigin.objects.get(completion__prompt=prompt, completion__text="a")
    assert (origin.run, origin.model) == (run, model)
    assert origin.sampling == {
        "temperature": 1.0, "top_p": 0.9, "seed": 7, "tokens": 3, "finish": "eos", "logprob": -1.5,
        "samples": [0, 2],
    }  # fmt: skip


def test_what_a_server_does_not_tell_is_unknown_and_a_reward_is_kept():
    project = build.project()
    prompt = build.prompt(project, "1?")
    run, model = a_run(project)
    store_generated(run, [sampled(prompt, 0, "a", tokens=None, logprob=None, reward=0.5)], model)
    assert CompletionOrigin.objects.get().sampling == {
        "temperature": 1.0, "top_p": 0.9, "seed": 7, "tokens": None, "finish": "eos", "logprob": None,
        "reward": 0.5, "samples": [0],
    }  # fmt: skip


def test_a_sample_that_equals_an_imported_text_adds_an_origin_to_it():
    project = build.project()
    prompt = build.prompt(project, "1?")
    build.completion(prompt, "a")
    run, model = a_run(project)
    assert store_generated(run, [sampled(prompt, 0, "a ")], model) == {Outcome.MERGED: 1}
    assert Completion.objects.get().origins.get().model == model


def test_a_sample_of_a_foreign_prompt_is_refused_and_nothing_is_stored():
    project = build.project()
    run, model = a_run(project)
    own, foreign = build.prompt(project, "1?"), build.prompt(build.project("other"), "1?")
    with pytest.raises(BadInput) as caught:
        store_generated(run, [sampled(own, 0, "a"), sampled(foreign, 0, "a")], model)
    assert caught.value.field == "prompt"
    assert not Completion.objects.exists()


def test_an_outside_model_is_made_once_and_no_trained_one_is_taken_for_it():
    project = build.project()
    _run, model = a_run(project)
    assert outside_model(project, "davinci") == outside_model(project, "davinci")
    with pytest.raises(BadInput):
        outside_model(project, model.name)
