"""Many labelers at once on real connections: overlap stays exact, whatever happens."""

from __future__ import annotations

import random
import threading
from collections import Counter
from collections.abc import Callable

import pytest
from django.db import connection

from labeling.actions import checks, items, leases, queue, rankings
from labeling.actions.errors import ActionError
from labeling.models import Assignment, Item, Kind, Membership, Ranking
from tests import build, laws

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.slow]


def in_parallel(work: Callable[[int], None], threads: int) -> None:
    """Run work(0..threads-1), each on a connection of its own; the first error is raised."""
    errors: list[BaseException] = []

    def body(number: int) -> None:
        try:
            work(number)
        except BaseException as error:
            errors.append(error)
        finally:
            connection.close()

    running = [threading.Thread(target=body, args=(number,)) for number in range(threads)]
    for thread in running:
        thread.start()
    for thread in running:
        thread.join()
    if errors:
        raise errors[0]


def test_fifty_claimers_on_twenty_items_with_overlap_three_give_exactly_three_each():
    project = build.project()
    made = build.rank_items(project, 20, overlap=3)
    people = [build.member(project, f"labeler-{n}") for n in range(50)]

    def work(number: int) -> None:
        while held := queue.claim(people[number], Kind.RANK):
            rankings.submit(held, build.answer(held), build.key())

    in_parallel(work, 50)
    given = Ranking.objects.filter(slot__isnull=False).values_list("item_id", "labeler_id")
    assert Counter(item for item, _ in given) == {item.pk: 3 for item in made}
    assert len(set(given)) == 60
    assert Ranking.objects.filter(slot=None).count() == 0
    assert laws.broken() == {}


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_expiries_skips_late_submits_double_tabs_overlap_changes_and_retirements_keep_the_laws(seed):
    project = build.project()
    made = build.rank_items(project, 15, overlap=3)
    people = [build.member(project, f"labeler-{n}") for n in range(12)]

    def labeler(person: Membership, chance: random.Random) -> None:
        late: list[Assignment] = []
        for _ in range(25):
            move = chance.random()
            try:
                if late and move < 0.2:
                    held = late.pop(chance.randrange(len(late)))
                    rankings.submit(held, build.answer(held), build.key())
                    continue
                held = queue.claim(person, Kind.RANK, ahead=move > 0.85)
                if held is None:
                    continue
                if move < 0.35:
                    leases.skip(held, "unclear")
                elif move < 0.5:
                    leases.release(held)
                    late.append(held)
                elif move < 0.65:
                    late.append(held)
                elif move < 0.8:
                    rankings.submit(held, build.answer(held), build.key())
                elif move > 0.93:
                    leases.show(held)
            except ActionError:
                pass

    def nemesis(chance: random.Random) -> None:
        for _ in range(30):
            move = chance.random()
            item = chance.choice(made)
            try:
                if move < 0.5:
                    with connection.cursor() as cursor:
                        cursor.execute(
                            "UPDATE labeling_assignment SET lease_until = clock_timestamp() - interval '1 h' "
                            "WHERE id IN (SELECT id FROM labeling_assignment "
                            "WHERE state IN ('reserved', 'open') "
                            "ORDER BY random() LIMIT 4 FOR UPDATE SKIP LOCKED)"
                        )
                    leases.expire_leases()
                elif move < 0.9:
                    items.set_overlap(item.pk, chance.randint(1, 5))
                else:
                    items.retire(Item.objects.filter(pk=item.pk), project=project)
            except ActionError:
                pass

    def work(number: int) -> None:
        chance = random.Random(seed * 1000 + number)
        if number < 24:
            labeler(people[number % 12], chance)  # two tabs each
        else:
            nemesis(chance)

    in_parallel(work, 26)
    assert Ranking.objects.exists()
    assert laws.broken() == {}
    build.overdue(project)
    leases.expire_leases()
    assert not Assignment.objects.filter(state__in=Assignment.LIVE).exists()
    assert laws.broken() == {}


def test_one_submit_sent_twenty_times_at_once_is_stored_once():
    project = build.project()
    build.rank_items(project, 1)
    held = queue.claim(build.member(project, "ann"), Kind.RANK)
    body, key = build.answer(held), build.key()
    seen: list[tuple[str, bool]] = []

    def work(_: int) -> None:
        result = rankings.submit(held, body, key)
        seen.append((result.answer.public_id, result.created))

    in_parallel(work, 20)
    assert len({answer for answer, _ in seen}) == 1
    assert sorted(created for _, created in seen) == [False] * 19 + [True]
    assert laws.broken() == {}


def test_two_tabs_and_many_labelers_claim_golds_and_repeats_at_once_and_each_is_given_once():
    project = build.project()
    build.rank_items(project, 40, overlap=6)
    golds = build.golds(project, 3)
    people = [build.member(project, f"labeler-{n}") for n in range(6)]
    for person in people:
        for _ in range(checks.REPEAT_AFTER + 2):
            held = queue.claim(person, Kind.RANK)
            rankings.submit(held, build.answer(held), build.key())
    build.policy(project, gold_rate=0.25, repeat_rate=0.25)

    def work(number: int) -> None:
        chance = random.Random(number)
        for _ in range(14):
            try:
                held = queue.claim(people[number % 6], Kind.RANK, ahead=chance.random() < 0.3)
                if held is None:
                    continue
                if chance.random() < 0.2:
                    leases.release(held)
                else:
                    rankings.submit(held, build.answer(held), build.key())
            except ActionError:
                pass

    in_parallel(work, 12)  # two tabs each
    assert Ranking.objects.filter(is_repeat=True).exists()
    given = Ranking.objects.filter(item__gold__in=golds).values_list("item", "labeler")
    assert len(given) == len(set(given)) > 0
    again = Ranking.objects.filter(is_repeat=True).values_list("item", "labeler")
    assert len(again) == len(set(again))
    assert laws.broken() == {}
