"""How long good demonstrations are: from accepted ones, by use case."""

from __future__ import annotations

import pytest

from labeling.actions import demonstrations, lengths, queue
from labeling.actions.items import NewItem, create_items
from labeling.models import Demonstration, Kind
from tests import build

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def forget(monkeypatch):
    monkeypatch.setattr(lengths, "_kept", {})


def demonstrate(project, counts, **more):
    mei = build.member(project, f"labeler of {len(counts)}")
    before = Demonstration.objects.count()
    prompts = [build.prompt(project, f"{before + number}", **more) for number in range(len(counts))]
    create_items(project, [NewItem(prompt, Kind.DEMONSTRATE) for prompt in prompts])
    for count in counts:
        demonstrations.submit(queue.claim(mei, Kind.DEMONSTRATE), {"text": "word " * count}, build.key())


def test_the_guide_is_the_median_and_the_middle_eighty_per_cent_by_use_case_and_for_all():
    project = build.project()
    demonstrate(project, list(range(10, 111, 10)), use_case="chat")
    demonstrate(project, [1000, 1000], use_case="rewrite")
    found = lengths.guidance(project)
    assert found["chat"] == lengths.Length(low=20, median=60, high=100)
    assert set(found) == {"", "chat"}
    assert found[""].median == 70


def test_what_was_sent_back_or_waits_for_review_is_no_model():
    project = build.project()
    demonstrate(project, [10] * 5)
    demonstrate(project, [900] * 6)
    Demonstration.objects.filter(revisions__text__startswith="word " * 900).update(verdict="returned")
    assert lengths.guidance(project)[""] == lengths.Length(10, 10, 10)


def test_too_few_say_nothing_and_an_answer_is_kept_for_a_while(django_assert_num_queries):
    project = build.project()
    demonstrate(project, [10] * 4)
    with django_assert_num_queries(1):
        assert lengths.guidance(project) == {}
        assert lengths.guidance(project) == {}


def test_chinese_is_counted_in_words_too():
    assert lengths.count_words("今天天气很好，我们去公园散步吧。") == 9
    assert lengths.count_words("It's a well-known café, n'est-ce pas?") == 6
    assert lengths.count_words("") == 0
