"""Queues that are not as easy as a full one: rules, a long past, the last items, and people at their pace."""

from __future__ import annotations

from benchmarks.queue.worlds import World

READ = ["de", "fr"]
"""Two of the five languages: with the rules on, three slots of five are not for these labelers."""
MOST_DONE = 50_000
LAST_ITEMS = 1_000
"""What is left for each of two labelers when the queue is nearly exhausted."""


def rules(world: World, labelers: int) -> None:
    """The first labelers read two languages of five; a third of the items have a text by some labeler."""
    world.connection.execute(
        "UPDATE labeling_membership SET languages = %s WHERE user_id = ANY(%s)",
        [READ, world.people[:labelers]],
    )


def no_rules(world: World) -> None:
    world.connection.execute("UPDATE labeling_membership SET languages = '{}'")


def long_past(world: World, size: int, labeler: int, *, urgent: bool) -> int:
    """This labeler has done many items that still want others' answers; returns how many.

    All of them lie in the way: before the labeler's place in the queue, or (`urgent`) in the first band.
    """
    done = min(MOST_DONE, size // 2)
    world.answer(
        """SELECT item_id, max(number) AS number, %(labeler)s::bigint AS labeler_id FROM labeling_slot
        WHERE state = 'open' GROUP BY item_id, key HAVING count(*) > 1 ORDER BY key LIMIT %(done)s""",
        labeler=labeler,
        done=done,
    )
    if urgent:
        world.run(
            """UPDATE labeling_slot SET band = 0 WHERE item_id IN (
                SELECT item_id FROM labeling_assignment
                WHERE labeler_id = %(labeler)s AND state = 'answered')""",
            labeler=labeler,
        )
    world.settle()
    return done


def nearly_exhausted(world: World, size: int, labelers: list[int], others: list[int]) -> int:
    """Every item is done or wants one answer more; of those, two labelers may still give LAST_ITEMS.

    The rest of them (returned: how many want an answer) both have answered already. Items that are done
    are retired here instead of filled: to a claim it is the same, and it is loaded in minutes.
    """
    still_open = min(MOST_DONE, size // 2)
    world.run(
        """CREATE TABLE still_open AS
        SELECT item_id, row_number() OVER (ORDER BY key) AS place, min(number) AS number
        FROM labeling_slot WHERE state = 'open' GROUP BY item_id, key HAVING count(*) = 3
        LIMIT %(still_open)s""",
        still_open=still_open,
    )
    world.run(
        """UPDATE labeling_item SET state = 'retired' WHERE id NOT IN (SELECT item_id FROM still_open);
        UPDATE labeling_slot SET state = 'closed' WHERE state = 'open'
            AND item_id NOT IN (SELECT item_id FROM still_open);
        """
    )
    world.answer(
        """SELECT item_id, still_open.number + turn AS number,
            (CASE WHEN place %% %(every)s = 0 THEN %(others)s::bigint[] ELSE %(labelers)s::bigint[] END)[turn]
                AS labeler_id
        FROM still_open, generate_series(1, 2) AS turn""",
        every=still_open // LAST_ITEMS,
        labelers=labelers,
        others=others,
    )
    world.settle()
    return still_open
