"""A run's page: what it did, read and made, and how it is stopped."""

from __future__ import annotations

import pytest
from django.urls import reverse

from labeling.actions import runs
from labeling.models import AuditEvent, Run
from labeling.pages.runs import curves_of
from tests import learn
from tests.pages import world

SLICE = {"accuracy": 0.7, "accuracy_low": 0.6, "accuracy_high": 0.8, "pairs": 120}
REPORT = {
    "pairs": 480, "agreement_low": 0.68, "agreement_high": 0.73, "agreement_pairs": 1204,
    "labelers": {"held_out": ["p7"], "known": SLICE, "unknown": SLICE, "unknown_train_prompts": SLICE},
    "by_use_case": {"chat": SLICE, "rewrite": {**SLICE, "accuracy": 0.55, "accuracy_low": 0.41}},
    "by_language": {"en": SLICE, "zh": SLICE},
    "by_flag": {"hallucination": SLICE},
    "calibration": {
        "error": 0.034,
        "bins": [
            {"low": low / 20, "high": (low + 1) / 20, "said": low / 20 + 0.03, "right": low / 20, "pairs": 48}
            for low in range(10, 20)
        ],
    },
    "ties": {"observed": 0.21, "expected": 0.19, "theta": 1.6},
    "length": {
        "correlation": 0.31, "reward_per_token": 0.004, "labelers_prefer_longer": 0.56,
        "model_prefers_longer": 0.61,
        "bins": [{"tokens": count, "reward": count / 90, "completions": 40} for count in range(-60, 61, 10)],
    },
    "centred_on": "demonstrations", "members": 1,
    "shared_prefix": {"used": True, "difference": 1.2e-6, "why": ""},
}  # fmt: skip
"""Of a reward model, as training/reward.py writes it."""


@pytest.fixture
def run(project):
    learn.imported(project, 2)
    return world.waiting("sft", {"dataset.jsonl": world.frozen(project)})


def shown(client, run, **query):
    answer = client.get(reverse("run", args=[run.public_id]), query)
    assert answer.status_code == 200
    return answer


def lines(count, **more):
    return [
        {"step": step, "total": 100, "time": step * 0.5, "loss": 3 / step, **more}
        for step in range(1, count + 1)
    ]


def test_a_waiting_run_says_that_nothing_is_measured_yet(client, run):
    answer = shown(client, run)
    assert "Nothing is measured yet" in answer.content.decode()
    assert answer.context["live_seconds"] > 0


def test_a_running_run_shows_how_far_it_is_and_how_long_it_takes(client, run):
    world.running(run, lines(25), total=100)
    answer = shown(client, run)
    assert '<progress max="100" value="25"' in answer.content.decode()
    assert answer.context["time_left"] == "0:38"


def test_each_metric_has_a_chart_and_the_validation_split_joins_its_own(client, run):
    metrics = lines(30, learning_rate=0.001)
    metrics[9]["valid_loss"] = metrics[29]["valid_loss"] = 0.9
    world.running(run, metrics)
    charts = shown(client, run).context["charts"]
    assert [chart.title for chart in charts] == ["loss", "learning rate"]
    assert [series.name for series in charts[0].series] == ["loss", "loss on the validation split"]
    assert [(point.x, point.y) for point in charts[0].series[1].points] == [(10, 0.9), (30, 0.9)]


def test_a_long_curve_is_thinned_and_a_seldom_one_keeps_its_points(run):
    metrics = lines(1000)
    for step in (7, 501, 1000):
        metrics[step - 1]["valid_loss"] = 0.5
    world.running(run, metrics, total=1000)
    curves = curves_of([run.pk], ["loss", "valid_loss"], 50)[run.pk]
    assert len(curves["loss"]) <= 52
    assert (curves["loss"][0][0], curves["loss"][-1][0]) == (1, 1000)
    assert [step for step, _value in curves["valid_loss"]] == [7, 501, 1000]


def test_a_line_that_is_no_number_is_left_out(client, run):
    world.running(run, [*lines(3), {"step": 4, "loss": "high", "note": "x"}, {"loss": 1.0}])
    (chart,) = shown(client, run).context["charts"]
    assert [point.x for point in chart.series[0].points] == [1, 2, 3]


def test_a_failed_run_says_why_in_words_and_shows_the_end_of_its_log(client, run):
    claim = world.running(run, lines(3))
    runs.fail(
        claim, "Out of memory: lower settings.batch_size.", retryable=False, log_tail="<b>Traceback</b>"
    )
    text = shown(client, run).content.decode()
    assert "Out of memory: lower settings.batch_size." in text
    assert "&lt;b&gt;Traceback&lt;/b&gt;" in text
    assert '<details id="log" open>' in text
    assert shown(client, run).context["live_seconds"] == 0


def test_a_run_that_is_tried_again_says_what_went_wrong(client, run):
    runs.fail(world.running(run, lines(3)), "The worker was lost.", retryable=True)
    text = shown(client, run).content.decode()
    assert "It will be tried again. The last attempt failed: The worker was lost." in text
    assert "1 of at most 5" in text


def test_lineage_leads_both_ways(client, project, tmp_path):
    learn.imported(project, 2)
    model = world.sft_model(project, tmp_path)
    version = model.run.inputs.get().dataset
    reward = world.reward_model(project, tmp_path, model)
    made = shown(client, model.run).content.decode()
    assert reverse("dataset", args=[version.public_id]) in made
    assert reverse("run", args=[reward.run.public_id]) in made
    read = shown(client, reward.run).content.decode()
    assert reverse("run", args=[model.run.public_id]) in read
    kept = client.get(reverse("dataset", args=[version.public_id])).content.decode()
    assert reverse("run", args=[model.run.public_id]) in kept


def test_a_lead_stops_a_waiting_run(client, lead, run):
    answer = client.post(reverse("stop-run", args=[run.public_id]), follow=True)
    assert "The run is being stopped." in answer.content.decode()
    run.refresh_from_db()
    assert run.state == Run.State.STOPPED
    assert AuditEvent.objects.get(verb="run.stop").actor == lead.user


def test_stopping_a_run_that_is_over_is_refused_with_the_reason(client, run):
    runs.request_stop(run)
    answer = client.post(reverse("stop-run", args=[run.public_id]), follow=True)
    assert "The run is over." in answer.content.decode()


def test_the_list_of_runs_has_pages(client, project, run):
    for seed in range(30):
        world.waiting("sft", {"dataset.jsonl": run.inputs.get().dataset}, seed=seed + 2)
    first = client.get(reverse("runs", args=[project.public_id]))
    assert "Page 1 of 2" in first.content.decode()
    second = client.get(reverse("runs", args=[project.public_id]), {"page": "2"})
    assert [row.run for row in second.context["runs"]] == [run]


def test_a_run_of_another_project_does_not_exist(client, run):
    other = learn.project("other")
    learn.imported(other, 1)
    foreign = world.waiting("sft", {"dataset.jsonl": world.frozen(other)})
    assert client.get(reverse("run", args=[foreign.public_id])).status_code == 404
    assert client.post(reverse("stop-run", args=[foreign.public_id])).status_code == 404
    foreign.refresh_from_db()
    assert foreign.state == Run.State.WAITING


def test_a_base_model_is_named_and_not_where_it_lies(client, lead, run, settings):
    from labeling.actions.policies import shown
    from tests.api.callers import Script

    place = "/srv/models/ours-7b"
    settings.BASE_MODELS = {**settings.BASE_MODELS, "ours": {"kind": "folder", "name": place}}
    run.settings["base"] = {**run.settings["base"], "kind": "folder", "name": place}
    run.save()
    assert Script(lead.user).get(f"runs/{run.public_id}").json()["settings"]["base"]["name"] == "ours"
    page = client.get(reverse("run", args=[run.public_id])).content.decode()
    assert place not in page
    assert "ours" in page
    del settings.BASE_MODELS["ours"]
    assert shown(run.settings)["base"]["name"] == ""


def test_a_reward_models_report_is_figures_and_drawings(client, project, tmp_path):
    learn.imported(project, 2)
    model = world.reward_model(project, tmp_path, world.sft_model(project, tmp_path), **REPORT)
    answer = shown(client, model.run)
    report = answer.context["judged"]
    assert [(figure.name, figure.value, figure.note) for figure in report.figures[:3]] == [
        ("Accuracy on held-out prompts", "66.4 %", "64.1 % – 68.8 % · 480 pairs"),
        ("Labelers' agreement with each other", "70.3 %", "68.0 % – 73.0 % · 1,204 pairs"),
        ("Accuracy for labelers it never saw", "70.0 %", "60.0 % – 80.0 % · 120 pairs"),
    ]
    assert report.notes == [
        "Scores are centred on demonstrations, which score 0 on average.",
        "Their rankings did not train: p7.",
    ]  # fmt: skip
    assert [chart.title for chart in report.charts] == [
        "Is it right as often as it says?", "Reward against length", "Accuracy by use case",
        "Accuracy by language", "Accuracy where a completion is flagged",
    ]  # fmt: skip
    assert all(chart.svg.startswith("<svg") for chart in report.charts)
    assert ("members", "1") in report.rest
    assert "by_use_case" not in answer.content.decode()


def test_a_report_of_before_there_were_drawings_still_shows(client, project, tmp_path):
    learn.imported(project, 2)
    model = world.reward_model(project, tmp_path, world.sft_model(project, tmp_path))
    report = shown(client, model.run).context["judged"]
    assert [(figure.value, figure.note) for figure in report.figures] == [
        ("66.4 %", "64.1 % – 68.8 %"), ("70.3 %", ""),
    ]  # fmt: skip
    assert report.charts == []
