"""The queue's laws as SQL: each query finds the rows that break one."""

from __future__ import annotations

from typing import Any

from django.db import connection

LAWS = {
    "no more answers in slots than the item ever had room for": """
        SELECT item.id FROM labeling_item item JOIN labeling_slot slot ON slot.item_id = item.id
        GROUP BY item.id, item.overlap, item.state
        HAVING count(*) FILTER (WHERE slot.state = 'open') > 0
           AND count(*) FILTER (WHERE slot.state <> 'closed') > item.overlap""",
    "an open item has as many live slots as it wants, or more that were filled before": """
        SELECT item.id FROM labeling_item item JOIN labeling_slot slot ON slot.item_id = item.id
        WHERE item.state = 'open' GROUP BY item.id, item.overlap
        HAVING count(*) FILTER (WHERE slot.state <> 'closed') < item.overlap""",
    "a slot is filled exactly where an answer fills it": """
        SELECT slot.id FROM labeling_slot slot
        LEFT JOIN labeling_ranking ranking ON ranking.slot_id = slot.id
        LEFT JOIN labeling_demonstration demonstration ON demonstration.slot_id = slot.id
        WHERE (slot.state = 'filled') <> (num_nonnulls(ranking.id, demonstration.id) = 1)""",
    "a slot is held exactly where one live assignment holds it": """
        SELECT slot.id FROM labeling_slot slot
        WHERE (slot.state = 'held') <> ((SELECT count(*) FROM labeling_assignment held
            WHERE held.slot_id = slot.id AND held.state IN ('reserved', 'open')) = 1)""",
    "nobody answers an item twice": """
        SELECT item_id FROM labeling_ranking GROUP BY item_id, labeler_id HAVING count(*) > 1""",
    "an answer's assignment is answered, and the other way round": """
        SELECT held.id FROM labeling_assignment held
        LEFT JOIN labeling_ranking ranking ON ranking.assignment_id = held.id
        LEFT JOIN labeling_demonstration demonstration ON demonstration.assignment_id = held.id
        WHERE (held.state = 'answered') <> (num_nonnulls(ranking.id, demonstration.id) = 1)""",
    "no extra waits while a slot of its item is open": """
        SELECT ranking.id FROM labeling_ranking ranking
        JOIN labeling_slot slot ON slot.item_id = ranking.item_id AND slot.state = 'open'
        WHERE ranking.slot_id IS NULL""",
    "no slot of a retired item is open": """
        SELECT slot.id FROM labeling_slot slot JOIN labeling_item item ON item.id = slot.item_id
        WHERE item.state = 'retired' AND slot.state = 'open'""",
    "one open and one reserved assignment at most": """
        SELECT labeler_id FROM labeling_assignment WHERE state IN ('reserved', 'open')
        GROUP BY labeler_id, project_id, kind, state HAVING count(*) > 1""",
}


def broken(database: Any = connection) -> dict[str, list[int]]:
    """The laws that do not hold, with the rows that break them; of the tests' database, or of another."""
    found: dict[str, list[int]] = {}
    with database.cursor() as cursor:
        for law, sql in LAWS.items():
            cursor.execute(sql)
            rows = [row[0] for row in cursor.fetchall()]
            if rows:
                found[law] = rows
    return found
