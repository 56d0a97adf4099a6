"""The dashboard: who may see it, what it counts, and that its cost does not grow with the project."""

from __future__ import annotations

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from labeling.actions import loop, queue, rankings
from labeling.models import Kind, LoopPolicy, Round, Run, Trigger, User
from tests import build, learn
from tests.pages import world


def page(client, project, **query):
    answer = client.get(reverse("dashboard", args=[project.public_id]), query)
    assert answer.status_code == 200
    return answer.content.decode()


def figures(client, project):
    """Each figure's value and note by its name."""
    context = client.get(reverse("dashboard", args=[project.public_id])).context
    return {figure.name: (figure.value, figure.note) for figure in [*context["written"], *context["queued"]]}


@pytest.fixture
def addresses(project, lead):
    """Every page and button of a lead, by whether it is a page."""
    learn.imported(project, 2)
    version = world.frozen(project)
    run = world.waiting("sft", {"dataset.jsonl": version})
    round = loop.start_round(project, Trigger.MANUAL)
    own, ids = [project.public_id], {"run": [run.public_id], "dataset": [version.public_id]}
    pages = [
        *(reverse(name, args=own) for name in ("dashboard", "runs", "datasets", "rounds")),
        *(reverse(name, args=ids[name]) for name in ("run", "dataset")),
        reverse("download-dataset", args=ids["dataset"]),
        reverse("round", args=[round.public_id]),
    ]
    buttons = [
        *(reverse(name, args=own) for name in ("freeze", "start-round")),
        reverse("stop-run", args=ids["run"]),
        *(reverse(name, args=[round.public_id]) for name in ("stop-round", "override-gate")),
    ]
    return pages, buttons


def asked(client, addresses):
    pages, buttons = addresses
    return {client.get(address).status_code for address in pages} | {
        client.post(address).status_code for address in buttons
    }


@pytest.mark.parametrize("role", ["labeler", "reviewer"])
def test_a_member_who_is_no_lead_is_refused_everywhere(project, addresses, role):
    other = build.member(project, "rosa", role)
    assert asked(world.signed_in(other.user), addresses) == {403}


def test_for_an_outsider_none_of_it_exists(addresses):
    outsider = User.objects.create(username="otto")
    assert asked(world.signed_in(outsider), addresses) == {404}


def test_who_is_not_signed_in_is_sent_to_the_door(addresses):
    assert asked(Client(), addresses) == {302}


def test_the_lead_sees_every_page(client, addresses):
    assert {client.get(address).status_code for address in addresses[0]} == {200}


def test_a_button_is_pressed_and_not_visited(client, addresses):
    assert {client.get(address).status_code for address in addresses[1]} == {405}


def test_a_button_asks_for_its_token(lead, addresses):
    careful = Client(enforce_csrf_checks=True)
    careful.force_login(lead.user)
    assert {careful.post(address).status_code for address in addresses[1]} == {403}
    assert Run.objects.get().state == "waiting"


def test_a_new_project_is_met_with_a_friendly_page(client, project):
    shown = page(client, project)
    assert "No rankings yet" in shown
    assert "No run yet" in shown
    assert "Nothing is frozen yet" in shown
    assert "Nobody has a task open right now." in shown
    assert "This project holds simulated answers" not in shown


def test_answers_of_people_and_of_programs_are_counted_apart(client, project):
    learn.imported(project, 3)
    learn.imported(project, 2, is_simulated=True)
    learn.demonstrate(build.member(project, "ben"), "a storm")
    build.rank_items(project, 3, overlap=2)
    learn.rank(project.memberships.get(user__username="ann"), 2)
    learn.rank(learn.simulated(project, "robot"), 3)
    shown = figures(client, project)
    assert shown["Prompts"] == ("9", "9 train · 0 validation · 0 test")
    assert shown["Demonstrations"] == ("6", "1 by labelers · 3 imported · 2 simulated")
    assert shown["Rankings"] == ("5", "2 by people · 3 simulated")
    assert shown["Agreement"][0] != "–"
    assert shown["Open to rank"][0] == "1"


def test_an_answer_counts_as_all_bad_by_its_newest_revision(client, project):
    build.rank_items(project, 2, k=2)
    ann = project.memberships.get(user__username="ann")
    bad = {"scores": {"A": 1, "B": 1}, "tiers": None, "all_bad": True}
    _kept, changed = learn.rank(ann, 2, **bad)
    body = build.answer(changed.assignment, base=1)
    rankings.revise(changed, body, build.key())
    assert figures(client, project)["Rankings"] == ("2", "2 by people · 1 all bad")


def test_the_ways_of_ranking_stand_side_by_side_once_people_have_ranked(client, project):
    build.rank_items(project, 3)
    ann = project.memberships.get(user__username="ann")
    learn.rank(ann)
    assert "Ways of ranking" not in page(client, project)
    learn.rank(ann, mode="keys")
    project.ranking_method = "two_up"
    project.save()
    learn.rank(ann, mode="pointer", tiers=[["A", "B"], ["C"], ["D"]], tied=["A", "B"])
    rows = client.get(reverse("dashboard", args=[project.public_id])).context["methods"]
    assert [(row.method, row.k, row.answers, row.tied) for row in rows] == [
        ("Rate, then order what is equal", 4, "1", "0.0 %"),
        ("Two at a time", 4, "1", "100.0 %"),
    ]
    assert "Two at a time" in page(client, project)


def test_slots_that_nobody_can_fill_are_counted(client, project):
    project.memberships.update(languages=["en"])
    build.rank_items(project, 2, language="fi")
    assert figures(client, project)["Nobody can fill"][0] == "2"


@pytest.mark.parametrize(
    ("included", "sentence"),
    [
        (True, "They are part of what models are trained on here."),
        (False, "They are left out of what models are trained on."),
    ],
)
def test_simulated_answers_are_named_plainly(client, project, included, sentence):
    LoopPolicy.objects.filter(project=project).update(include_simulated=included)
    build.rank_items(project, 1)
    learn.rank(learn.simulated(project, "robot"))
    shown = page(client, project)
    assert "This project holds simulated answers." in shown
    assert "Programs gave 1 of its rankings" in shown
    assert sentence in shown


def test_who_is_at_work_is_listed_with_what_they_do(client, project):
    build.rank_items(project, 1)
    build.demonstrate_items(project, 1)
    queue.claim(project.memberships.get(user__username="ann"), Kind.DEMONSTRATE)
    queue.claim(learn.simulated(project, "robot"), Kind.RANK)
    people = client.get(reverse("dashboard", args=[project.public_id])).context["people"]
    assert [(each.name, each.kind, each.is_simulated) for each in people] == [
        ("robot", "ranking", True),
        ("ann", "writing a demonstration", False),
    ]
    build.overdue(project)
    assert "Nobody has a task open right now." in page(client, project)


def test_models_are_shown_with_what_they_came_from_and_how_good_they_are(client, project, tmp_path):
    base = world.sft_model(project, tmp_path)
    reward = world.reward_model(project, tmp_path, base)
    policy = world.policy_model(project, tmp_path, base, reward)
    project.policy_model = policy
    project.save()
    rows = client.get(reverse("dashboard", args=[project.public_id])).context["models"]
    assert [(row.model.name, row.is_policy) for row in rows] == [
        (policy.name, True),
        (reward.name, False),
        (base.name, False),
    ]
    accuracy = rows[1].figures[0]
    assert (accuracy.name, accuracy.value, accuracy.note) == ("accuracy", "66.4 %", "64.1 % – 68.8 %")
    assert [(figure.name, figure.value) for figure in rows[0].figures] == [
        ("score", "0.671"),
        ("KL (nats)", "1.52"),
    ]
    assert [each.name for each in rows[0].made_from] == ["policy", "prompts.jsonl", "reward"]


def test_progress_is_drawn_against_the_number_of_rankings(client, project, tmp_path):
    base = world.sft_model(project, tmp_path)
    for accuracy in (0.61, 0.67):
        reward = world.reward_model(project, tmp_path, base, accuracy=accuracy)
    world.policy_model(project, tmp_path, base, reward)
    accuracy, score, kl = client.get(reverse("dashboard", args=[project.public_id])).context["progress"]
    assert [(point.x, point.y) for point in accuracy.series[0].points] == [(1, 0.61), (2, 0.67)]
    assert [(point.x, point.y) for point in score.series[0].points] == [(2, 0.671)]
    assert score.series[0].points[0].low == pytest.approx(0.671 - 1.96 * 0.02)
    assert [(point.x, point.y) for point in kl.series[0].points] == [(2, 1.52)]


def test_the_page_asks_as_many_questions_for_thirty_runs_as_for_three(client, project, tmp_path):
    def grow(number):
        for each in range(number):
            round = Round.objects.create(
                project=project, number=Round.objects.count() + 1, state="completed", trigger="manual"
            )
            base = world.sft_model(project, tmp_path, round=round)
            world.waiting("sft", {"dataset.jsonl": world.frozen(project)}, seed=each)
            world.reward_model(project, tmp_path, base)

    def questions():
        with CaptureQueriesContext(
            connection,
        ) as asked:
            page(client, project)
        return len(asked)

    grow(1)
    few = questions()
    assert Run.objects.count() == 3
    grow(9)
    assert Run.objects.count() == 30
    assert questions() == few


def test_the_live_part_is_the_same_content_without_the_frame(client, project):
    learn.imported(project, 2)
    whole, live = page(client, project), page(client, project, live="")
    assert "<html" not in live
    assert live.strip().startswith("<div")
    assert live.strip() in whole.replace("\r\n", "\n")


def test_a_watched_page_counts_anew_only_now_and_then(client, project, monkeypatch):
    monkeypatch.setattr("labeling.pages.figures.REST", 1_000_000)
    page(client, project)
    learn.imported(project, 7)
    assert "<dd>7<" not in page(client, project, live="")
    assert "<dd>7<" in page(client, project)
    assert "<dd>7<" in page(client, project, live="")


def test_times_are_the_readers(project):
    learn.imported(project, 1)
    round = loop.start_round(project, Trigger.MANUAL)
    Round.objects.filter(pk=round.pk).update(started_at="2026-03-01T20:30:00Z")
    reader = world.lead(project, "rin", time_zone="Asia/Shanghai")
    assert ">2026-03-02 04:30</time>" in page(world.signed_in(reader.user), project)


def test_a_project_without_a_loop_policy_has_a_page_too(client, project):
    LoopPolicy.objects.all().delete()
    assert "This project has no loop policy" in page(client, project)


def test_hostile_names_are_text(client, project):
    project.name = project.description = "<script>alert(1)</script>"
    project.save()
    build.rank_items(project, 1)
    queue.claim(build.member(project, "<img src=x onerror=alert(1)>"), Kind.RANK)
    shown = page(client, project)
    assert "<script>alert" not in shown
    assert "<img" not in shown
