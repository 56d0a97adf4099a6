"""What a ranking must say, and how it is stored and revised."""

from __future__ import annotations

import pytest
from django.db import IntegrityError, connection, transaction

from labeling.actions import quality, queue, rankings
from labeling.actions.errors import BadInput, KeyReused, NotNow, Stale
from labeling.models import Assignment, Kind, Project, RankingRevision, User
from tests import build

pytestmark = pytest.mark.django_db


@pytest.fixture
def held():
    project = build.project()
    build.rank_items(project, 1, overlap=2)
    assignment = queue.claim(build.member(project, "ann"), Kind.RANK)
    Assignment.objects.filter(pk=assignment.pk).update(shown_order=[2, 0, 3, 1])
    assignment.refresh_from_db()
    return assignment


def test_letters_are_stored_over_positions(held):
    # Shown: A is position 2, B is 0, C is 3, D is 1.
    body = {
        "scores": {"A": 7, "B": 5, "C": 5, "D": 1},
        "tiers": [["A"], ["B", "C"], ["D"]],
        "tied": ["B", "C"],
        "flags": {"D": ["hallucination", "fails_instruction"]},
        "moved": ["D"],
        "comment": "D is off",
        "mode": "keys",
    }
    rankings.submit(held, body, build.key())
    stored = RankingRevision.objects.get()
    assert stored.scores == [5, 1, 7, 5]
    assert stored.ranks == [2, 3, 1, 2]
    assert stored.flags == [0, 3, 0, 0]
    assert stored.moved == [False, True, False, False]
    assert (stored.k, stored.conflicts, stored.mode) == (4, 0, "keys")


def test_scores_and_order_that_disagree_are_both_kept_and_counted(held):
    body = {"scores": {"A": 1, "B": 7, "C": 4, "D": 4}, "tiers": [["A"], ["B"], ["C"], ["D"]]}
    # A above B, C and D against their scores: three pairs. C and D have one score: no conflict.
    assert rankings.submit(held, body, build.key()).conflicts == 3


def test_all_bad_needs_scores_but_no_order(held):
    body = {"scores": {"A": 1, "B": 1, "C": 2, "D": 1}, "all_bad": True, "tiers": None}
    rankings.submit(held, body, build.key())
    stored = RankingRevision.objects.get()
    assert stored.ranks is None
    assert stored.all_bad


WHOLE = {"scores": {"A": 4, "B": 3, "C": 2, "D": 1}, "tiers": [["A"], ["B"], ["C"], ["D"]]}


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"scores": {"A": 4, "B": 3, "C": 2}}, "scores"),
        ({"scores": {"A": 4, "B": 3, "C": 2, "D": 8}}, "scores"),
        ({"scores": {"A": 4, "B": 3, "C": 2, "D": 0}}, "scores"),
        ({"scores": {"A": 4, "B": 3, "C": 2, "D": True}}, "scores"),
        ({"scores": {"A": 4, "B": 3, "C": 2, "D": 1, "E": 1}}, "scores"),
        ({"scores": [1, 2, 3, 4]}, "scores"),
        ({"tiers": None}, "tiers"),
        ({"tiers": [["A"], ["B"], ["C"]]}, "tiers"),
        ({"tiers": [["A"], ["B"], ["C"], ["D"], ["E"]]}, "tiers"),
        ({"tiers": [["A"], ["A"], ["B"], ["C"], ["D"]]}, "tiers"),
        ({"tiers": [["A"], [], ["B"], ["C"], ["D"]]}, "tiers"),
        ({"tiers": "ABCD"}, "tiers"),
        ({"tiers": [["A", "B"], ["C"], ["D"]]}, "tied"),
        ({"tiers": [["A", "B"], ["C"], ["D"]], "tied": ["A"]}, "tied"),
        ({"flags": {"A": ["rude"]}}, "flags.A"),
        ({"flags": {"Q": []}}, "flags"),
        ({"moved": ["Z"]}, "moved"),
        ({"all_bad": "yes"}, "all_bad"),
        ({"comment": "x\x00y"}, "comment"),
        ({"comment": "\ud800"}, "comment"),
        ({"comment": "x" * 20_000}, "comment"),
        ({"mode": "telepathy"}, "mode"),
        ({"active_seconds": -1}, "active_seconds"),
        ({"colour": "red"}, "colour"),
    ],
)
def test_an_answer_that_is_not_whole_is_refused_and_names_the_field(held, change, field):
    with pytest.raises(BadInput) as refused:
        rankings.submit(held, {**WHOLE, **change}, build.key())
    assert refused.value.field == field
    assert not RankingRevision.objects.exists()
    held.refresh_from_db()
    assert held.state == "open"


def test_the_same_key_and_body_again_give_the_stored_answer_whatever_the_clock_measured(held):
    key = build.key()
    first = rankings.submit(held, {**WHOLE, "active_seconds": 3}, key)
    again = rankings.submit(held, {**WHOLE, "active_seconds": 9}, key)
    assert (again.answer.pk, again.created) == (first.answer.pk, False)


def test_the_same_key_with_another_body_is_refused(held):
    key = build.key()
    rankings.submit(held, WHOLE, key)
    with pytest.raises(KeyReused):
        rankings.submit(held, {**WHOLE, "comment": "on second thoughts"}, key)


def test_a_second_answer_from_another_tab_is_refused(held):
    rankings.submit(held, WHOLE, build.key())
    with pytest.raises(NotNow):
        rankings.submit(held, {**WHOLE, "comment": "from the other tab"}, build.key())


def test_an_edit_is_a_new_revision_and_a_stale_one_gets_both_texts(held):
    ranking = rankings.submit(held, WHOLE, build.key()).answer
    edit = {**WHOLE, "tiers": [["B"], ["A"], ["C"], ["D"]], "base": 1}
    assert rankings.revise(ranking, edit, build.key()).revision == 2
    with pytest.raises(Stale) as stale:
        rankings.revise(ranking, {**WHOLE, "base": 1}, build.key())
    assert stale.value.data["stored"]["tiers"] == [["B"], ["A"], ["C"], ["D"]]
    assert stale.value.data["stored"]["revision"] == 2
    assert ranking.revisions.count() == 2


def test_active_time_is_capped_by_the_time_since_the_item_was_shown(held):
    rankings.submit(held, {**WHOLE, "active_seconds": 5000}, build.key())
    assert RankingRevision.objects.get().active_seconds < 60


@pytest.mark.parametrize(
    "sql",
    [
        "UPDATE labeling_rankingrevision SET comment = 'rewritten'",
        "DELETE FROM labeling_rankingrevision",
        "UPDATE labeling_rubric SET scale_max = 9",
    ],
)
def test_the_database_refuses_to_change_a_revision_or_a_rubric(held, sql):
    rankings.submit(held, WHOLE, build.key())
    with pytest.raises(IntegrityError), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(sql)


@pytest.mark.parametrize(
    "change",
    ["scores = '{1,2,3}'", "k = 3", "ranks = '{1,2,4,5}'", "ranks = '{2,2,3,4}'", "scores = '{0,1,2,3}'"],
)
def test_the_database_refuses_arrays_that_do_not_fit_the_item(held, change):
    rankings.submit(held, WHOLE, build.key())
    update = f"SET LOCAL rankloop.erasing = 'on'; UPDATE labeling_rankingrevision SET {change}"
    with pytest.raises(IntegrityError), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(update)


def test_the_database_refuses_a_completion_of_another_prompt(held):
    other = build.completion(build.prompt(held.project, "another"), "elsewhere")
    with pytest.raises(IntegrityError), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(
            "UPDATE labeling_itemcompletion SET completion_id = %s WHERE item_id = %s AND position = 0",
            [other.pk, held.item_id],
        )


def test_agreement_counts_pairs_that_both_order_and_ties_apart(held):
    ben = queue.claim(build.member(held.project, "ben"), Kind.RANK)
    Assignment.objects.filter(pk=ben.pk).update(shown_order=held.shown_order)
    ben.refresh_from_db()
    rankings.submit(held, WHOLE, build.key())
    # Ben swaps A and B and ties C with D: of six pairs one is reversed, one is tied by Ben only.
    rankings.submit(ben, {**WHOLE, "tiers": [["B"], ["A"], ["C", "D"]], "tied": ["C", "D"]}, build.key())
    found = quality.agreement(held.project)
    assert (found.strict, found.strict_pairs) == (4 / 5, 5)
    assert (found.with_ties, found.pairs, found.items) == (4 / 6, 6, 1)


@pytest.fixture
def asked(request):
    """Claim the next item of a project that asks for the order in this way."""

    def claim(project, name, method):
        Project.objects.filter(pk=project.pk).update(ranking_method=method)
        member = project.memberships.filter(user__username=name).first() or build.member(project, name)
        return queue.claim(member, Kind.RANK)

    return claim


def test_a_revision_keeps_the_method_that_its_assignment_was_shown_with(asked):
    project = build.project()
    build.rank_items(project, 1)
    held = asked(project, "ann", "two_up")
    # The lead changes the method while somebody works, and again before they change their answer.
    Project.objects.update(ranking_method="direct")
    ranking = rankings.submit(held, {**WHOLE, "mode": "keys"}, build.key()).answer
    Project.objects.update(ranking_method="rate")
    rankings.revise(ranking, {**WHOLE, "mode": "keys", "base": 1}, build.key())
    assert list(RankingRevision.objects.values_list("method", flat=True)) == ["two_up", "two_up"]


def test_a_program_came_to_its_order_by_no_method(asked):
    project = build.project()
    build.rank_items(project, 1)
    rankings.submit(asked(project, "ann", "two_up"), WHOLE, build.key())
    assert RankingRevision.objects.get().method == ""


def test_no_request_can_choose_a_method(held):
    with pytest.raises(BadInput) as refused:
        rankings.submit(held, {**WHOLE, "method": "direct"}, build.key())
    assert refused.value.field == "method"


def test_best_and_worst_first_is_for_seven_completions_and_more(asked):
    project = build.project()
    build.rank_items(project, 1, k=6)
    six = asked(project, "ann", "extremes")
    rankings.submit(six, build.answer(six), build.key())
    build.rank_items(project, 1, k=7)
    assert (six.method, asked(project, "ann", "extremes").method) == ("rate", "extremes")


def test_methods_are_compared_by_the_newest_answers_of_people_to_as_many_completions(asked):
    project = build.project()
    build.rank_items(project, 5)
    at_odds = {"tiers": [["B"], ["A"], ["C"], ["D"]]}
    tied = {"tiers": [["A", "B"], ["C"], ["D"]], "tied": ["A", "B"]}

    def answer(name, method, seconds, **change):
        shown = asked(project, name, method)
        given = rankings.submit(shown, {**WHOLE, "mode": "keys", **change}, build.key()).answer
        with connection.cursor() as cursor:
            cursor.execute("SET LOCAL rankloop.erasing = 'on'")
            cursor.execute(
                "UPDATE labeling_rankingrevision SET active_seconds = %s WHERE ranking_id = %s",
                [seconds, given.pk],
            )
        return given

    answer("ann", "rate", 10, **tied)
    answer("ann", "rate", 20, **at_odds)
    first = answer("ann", "two_up", 30, **tied)
    rankings.revise(first, {**WHOLE, **at_odds, "mode": "keys", "base": 1}, build.key())
    User.objects.create(username="robot", is_simulated=True)
    answer("robot", "rate", 500)
    rankings.submit(asked(project, "ann", "rate"), WHOLE, build.key())  # a program, by ann's token
    rate, two_up = quality.by_method(project)
    assert (rate.method, rate.k, rate.answers, rate.seconds) == ("rate", 4, 2, 15)
    assert (rate.tied, rate.at_odds, rate.conflicts) == (0.5, 0.5, 1)
    assert (two_up.method, two_up.answers, two_up.tied, two_up.conflicts) == ("two_up", 1, 0, 1)
