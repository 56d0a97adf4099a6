"""The page of an evaluate run, and the form that has completions written."""

from __future__ import annotations

import json

import pytest
from django.urls import reverse

from labeling.actions import artifacts, publishing
from labeling.models import Prompt, Run
from tests import learn
from tests.pages import world
from training.contracts import RunResult, write_manifest

RATE = {"win_rate": 0.71, "win_rate_low": 0.63, "win_rate_high": 0.78, "comparisons": 200, "ties": 3}
LESS = {**RATE, "win_rate": 0.58, "win_rate_low": 0.5, "win_rate_high": 0.66}
WINS = {"reward": RATE, "evaluation_reward": LESS, "gap": {"value": 0.13, "low": 0.02, "high": 0.24}}
FIGURES = {
    "prompts": 200, "mean_tokens": 11.2, "cut_off": 0.01, "reward": 0.8, "evaluation_reward": 0.3,
    "kl": 3.1, "kl_error": 0.2,
    "reference": {"mean_tokens": 9.0, "cut_off": 0.02, "reward": 0.1, "evaluation_reward": 0.0},
    "win_rate": WINS,
}  # fmt: skip
SCORE = {"score": 0.61, "score_low": 0.52, "score_high": 0.70}
REPORT = {
    "prompts": 200, "kl": 3.1, "kl_error": 0.2,
    "temperatures": {
        "1.0": {
            **FIGURES, "by_use_case": {"chat": {"win_rate": WINS}, "rewrite": {"win_rate": WINS}},
        },
        "0.0": {"prompts": 200, "mean_tokens": 10.0, "cut_off": 0.0},
    },
    "judges": {"shared_prompts": 0, "shared_labelers": 0, "independent": True},
    "tasks": {
        "truthfulness": {
            "questions": 120, "metrics": ["choice"], "policy": SCORE, "reference": {**SCORE, "score": 0.69},
            "difference": {"value": -0.08, "low": -0.12, "high": -0.04},
        }
    },
}  # fmt: skip
"""As /outputs/report.json of evaluate (training/README.md)."""


def evaluated(project, folder, text="<b>better</b>"):
    """A completed evaluate run with this report and one sample."""
    policy = world.sft_model(project, folder)
    prompts = world.datasets.freeze(project, "prompts")
    run = world.waiting("evaluate", {"prompts.jsonl": prompts, "policy": policy})
    claim = world.running(run, [])
    asked = Prompt.objects.filter(project=project).order_by("pk")[0]
    after = {"text": text, "tokens": 3, "reward": 0.9, "evaluation_reward": 0.4}
    before = {"text": "worse", "tokens": 1, "reward": -0.9}
    sample = {"prompt": asked.public_id, "temperature": 1.0, "policy": after, "reference": before}
    gone = {**sample, "prompt": "nobody-knows-it"}
    output = folder / "evaluated"
    output.mkdir()
    (output / "report.json").write_text(json.dumps({**REPORT, "samples": [gone, sample]}))
    digest = write_manifest(output)
    publishing.publish(claim, RunResult("evaluate", REPORT, digest), artifacts.keep(output))
    return run


def test_both_judges_the_gap_tasks_and_samples_are_shown(client, project, tmp_path):
    run = evaluated(project, tmp_path)
    answer = client.get(reverse("run", args=[run.public_id]))
    report = answer.context["evaluated"]
    assert [each.name for each in report.temperatures] == ["Temperature 1", "Greedy"]
    assert [(figure.name, figure.value) for figure in report.temperatures[0].figures] == [
        ("Wins by the reward model", "71.0 %"),
        ("Wins by the evaluation reward model", "58.0 %"),
        ("Gap, points", "+13.0"),
        ("Score by the reward model", "0.8"),
        ("Score by the evaluation reward model", "0.3"),
        ("Distance from the reference, nats", "3.1"),
        ("Tokens a response", "11.2"),
        ("Cut off before their end", "1.0 %"),
    ]
    assert report.temperatures[0].figures[2].tone == "warn"
    assert [chart.title for chart in report.temperatures[0].charts] == [
        "Wins by the reward model, by use case", "Wins by the evaluation reward model, by use case",
    ]  # fmt: skip
    (task,) = report.tasks
    assert (task.before, task.difference, task.tone) == (
        "69.0 % (52.0 % – 70.0 %)",
        "-8.0 (-12.0 – -4.0)",
        "danger",
    )
    # A sample whose prompt is gone is left out; what a model wrote is text and never markup.
    assert [answer.text for answer in report.samples[0].answers] == ["worse", "<b>better</b>"]
    text = answer.content.decode()
    assert "&lt;b&gt;better&lt;/b&gt;" in text
    assert "different prompts and by different labelers" in text


def test_a_report_without_samples_tasks_or_judges_still_shows(client, project, tmp_path):
    run = evaluated(project, tmp_path)
    Run.objects.filter(pk=run.pk).update(result={"prompts": 3, "temperatures": {"1.0": {"prompts": 3}}})
    (artifacts.path(Run.objects.get(pk=run.pk).artifact) / "report.json").unlink()
    report = client.get(reverse("run", args=[run.public_id])).context["evaluated"]
    assert (report.notes, report.tasks, report.samples) == ([], [], [])


@pytest.fixture
def lab(settings):
    settings.SERVERS = {
        "lab": {
            "id": "lab", "name": "Our lab", "url": "https://llm.example.org/v1", "model": "org/large",
            "currency": "EUR", "secret": "sk-secret",
        }
    }  # fmt: skip


def test_a_lead_has_completions_written_and_sees_what_they_cost(client, project, lab):
    learn.imported(project, 3)
    runs_page = reverse("runs", args=[project.public_id])
    assert "Our lab (org/large)" in client.get(runs_page).content.decode()
    write = reverse("write-completions", args=[project.public_id])
    answer = client.post(write, {"server": "lab", "count": "2", "best_of": "1"}, follow=True)
    assert "Completions are being written." in answer.content.decode()
    run = Run.objects.get()
    world.running(run, [{"step": 1, "total": 2, "time": 1.0, "cost": 0.0125}])
    page = client.get(reverse("run", args=[run.public_id])).content.decode()
    assert "0.0125 EUR" in page
    assert "llm.example.org" not in page
    assert "sk-secret" not in page


@pytest.mark.parametrize(
    ("sent", "reason"),
    [
        ({"count": "many"}, "A whole number is wanted."),
        ({"count": "2", "server": "elsewhere"}, "The operator offers these servers: lab."),
        ({"count": "2"}, "There is no policy yet that could write."),
    ],
)
def test_what_cannot_be_written_is_refused_in_words(client, project, lab, sent, reason):
    learn.imported(project, 3)
    answer = client.post(reverse("write-completions", args=[project.public_id]), sent, follow=True)
    assert reason in answer.content.decode()
    assert not Run.objects.exists()
