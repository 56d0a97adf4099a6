"""Simulated labelers come in by the door that everybody takes, and their answers say what they are."""

from __future__ import annotations

import pytest

from labeling.actions import people, projects
from labeling.demo import string_instructions as task
from labeling.demo.labelers import Account, SimulatedLabeler, work
from labeling.models import Demonstration, Item, Kind, Ranking, Role
from rankloop_client import BadToken
from tests import build, laws, learn


@pytest.fixture
def project(transactional_db):
    return learn.project()


def labelers(project, address, count):
    made = []
    for number in range(count):
        user, password = people.create_user(f"sim-{number}", is_simulated=True, one_time_password=False)
        projects.add_member(project, user, Role.LABELER)
        made.append(SimulatedLabeler(address, Account(user.username, password), seed=1))
        made[-1].sign_in()
    return made


def queue(project, ranked, demonstrated):
    from labeling.actions.items import NewItem, create_items

    news = []
    for number, asked in enumerate(task.prompts("train", ranked + demonstrated, seed=3)):
        prompt = build.prompt(project, asked)
        if number < ranked:
            texts = [
                build.completion(prompt, text) for text in (task.answer(asked), task.parse(asked)[1], "zz")
            ]
            news.append(NewItem(prompt, Kind.RANK, texts))
        else:
            news.append(NewItem(prompt, Kind.DEMONSTRATE))
    create_items(project, news)


def test_they_share_out_the_work_until_none_is_left(project, live_server):
    queue(project, ranked=8, demonstrated=4)
    crew = labelers(project, live_server.url, 3)
    told: list[int] = []
    ranked = work(crew, lambda one: one.rank_one(project.public_id), most=100, progress=told.append)
    written = work(crew, lambda one: one.demonstrate_one(project.public_id), most=100, progress=told.append)
    assert (ranked, written) == (8, 4)
    assert Ranking.objects.filter(is_simulated=True).count() == 8
    assert Demonstration.objects.filter(is_simulated=True).count() == 4
    assert len(set(Ranking.objects.values_list("labeler", flat=True))) == 3
    assert set(Item.objects.values_list("state", flat=True)) == {"open"}
    assert laws.broken() == {}


def test_they_stop_at_as_many_as_are_wanted(project, live_server):
    queue(project, ranked=6, demonstrated=0)
    crew = labelers(project, live_server.url, 2)
    done = work(crew, lambda one: one.rank_one(project.public_id), most=4, progress=lambda done: None)
    assert done == Ranking.objects.count() == 4


def test_who_has_a_wrong_password_stays_outside(project, live_server):
    with pytest.raises(BadToken):
        SimulatedLabeler(live_server.url, Account("nobody", "wrong"), seed=1).sign_in()
