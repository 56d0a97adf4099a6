"""The database's laws as SQL, whether or not it holds them itself: each query finds the rows that break one.

What SQL cannot say of files and hashes is said by `broken_versions` and `broken_seals`.
"""

from __future__ import annotations

import datetime
import hashlib
import json
from pathlib import Path
from typing import Any

from django.db import connection

from labeling.actions.audit import chain_digest
from labeling.models import AuditEvent
from training.contracts import ContractError, verify_manifest

GIVEN = " UNION ALL ".join(
    f"SELECT id, item_id, slot_id, assignment_id, labeler_id FROM labeling_{kind} WHERE item_id IS NOT NULL"
    for kind in ("ranking", "demonstration", "writtenprompt", "review")
)
"""Every answer to an item of the queue, of whatever kind."""
QUEUE = {
    "a member has a place in the queue of each kind of work": """
        SELECT member.id FROM labeling_membership member
        LEFT JOIN labeling_queuecursor place ON place.membership_id = member.id
        GROUP BY member.id HAVING count(DISTINCT place.kind) < 4""",
    "no more answers in slots than the item ever had room for": """
        SELECT item.id FROM labeling_item item JOIN labeling_slot slot ON slot.item_id = item.id
        WHERE slot.reserved_for_id IS NULL GROUP BY item.id, item.overlap, item.state
        HAVING count(*) FILTER (WHERE slot.state = 'open') > 0
           AND count(*) FILTER (WHERE slot.state <> 'closed') > item.overlap""",
    "an open item has as many live slots as it wants, or more that were filled before": """
        SELECT item.id FROM labeling_item item JOIN labeling_slot slot ON slot.item_id = item.id
        WHERE item.state = 'open' AND slot.reserved_for_id IS NULL GROUP BY item.id, item.overlap
        HAVING count(*) FILTER (WHERE slot.state <> 'closed') < item.overlap""",
    "a slot is filled exactly where an answer fills it": f"""
        SELECT slot.id FROM labeling_slot slot LEFT JOIN ({GIVEN}) AS answer ON answer.slot_id = slot.id
        GROUP BY slot.id HAVING (slot.state = 'filled') <> (count(answer.id) = 1)""",
    "a slot is held exactly where one live assignment holds it": """
        SELECT slot.id FROM labeling_slot slot
        WHERE (slot.state = 'held') <> ((SELECT count(*) FROM labeling_assignment held
            WHERE held.slot_id = slot.id AND held.state IN ('reserved', 'open')) = 1)""",
    "nobody answers an item twice, repeats apart": f"""
        SELECT answer.item_id FROM ({GIVEN}) AS answer
        JOIN labeling_assignment held ON held.id = answer.assignment_id AND NOT held.is_repeat
        GROUP BY answer.item_id, answer.labeler_id HAVING count(*) > 1""",
    "an answer's assignment is answered, and the other way round": f"""
        SELECT held.id FROM labeling_assignment held
        LEFT JOIN ({GIVEN}) AS answer ON answer.assignment_id = held.id
        GROUP BY held.id HAVING (held.state = 'answered') <> (count(answer.id) = 1)""",
    "no extra waits while a slot of its item is open": f"""
        SELECT answer.id FROM ({GIVEN}) AS answer
        JOIN labeling_slot slot ON slot.item_id = answer.item_id AND slot.state = 'open'
        WHERE answer.slot_id IS NULL""",
    "what is reserved for one labeler is answered by that labeler and opens to nobody": """
        SELECT slot.id FROM labeling_slot slot LEFT JOIN labeling_ranking ranking ON ranking.slot_id = slot.id
        WHERE slot.reserved_for_id IS NOT NULL
          AND (slot.state = 'open' OR ranking.labeler_id <> slot.reserved_for_id)""",
    "a repeat is a repeat in its assignment too, and of an item that was ranked before": """
        SELECT again.id FROM labeling_ranking again
        JOIN labeling_assignment held ON held.id = again.assignment_id
        WHERE again.is_repeat <> held.is_repeat OR again.is_repeat AND NOT EXISTS (
            SELECT 1 FROM labeling_ranking first WHERE first.item_id = again.item_id
              AND first.labeler_id = again.labeler_id AND NOT first.is_repeat)""",
    "no slot of a retired item is open": """
        SELECT slot.id FROM labeling_slot slot JOIN labeling_item item ON item.id = slot.item_id
        WHERE item.state = 'retired' AND slot.state = 'open'""",
    "one open and one reserved assignment at most": """
        SELECT labeler_id FROM labeling_assignment WHERE state IN ('reserved', 'open')
        GROUP BY labeler_id, project_id, kind, state HAVING count(*) > 1""",
    "an item to rank has its K completions at positions 0 to K-1, one to demonstrate has none": """
        SELECT item.id FROM labeling_item item
        LEFT JOIN labeling_itemcompletion part ON part.item_id = item.id GROUP BY item.id, item.k
        HAVING count(part.id) <> item.k OR min(part.position) <> 0 OR max(part.position) <> item.k - 1""",
}
ANSWERS = {
    f"the revisions of a {kind} are numbered 1, 2, 3 …, each based on the one before": f"""
        SELECT answer.id FROM labeling_{kind.replace("_", "")} answer
        LEFT JOIN labeling_{kind.replace("_", "")}revision revision ON revision.{kind}_id = answer.id
        GROUP BY answer.id
        HAVING count(revision.id) = 0 OR max(revision.number) <> count(*) OR min(revision.number) <> 1
            OR bool_or(revision.base <> revision.number - 1)"""
    for kind in ("ranking", "demonstration", "written_prompt", "review")
}
VERSIONS = {
    "a complete version has rows, numbered 0, 1, 2 …, as many as it counts": """
        SELECT version.id FROM labeling_datasetversion version
        LEFT JOIN labeling_datasetrow row ON row.version_id = version.id
        WHERE version.state = 'complete' AND version.kind NOT IN ('pretraining', 'tasks') GROUP BY version.id
        HAVING count(row.id) = 0 OR min(row.ordinal) <> 0 OR max(row.ordinal) <> count(*) - 1
            OR count(*) <> (counts ->> CASE kind WHEN 'comparisons' THEN 'rankings' ELSE 'rows' END)::int""",
    "a version's rows are of its kind and its project": """
        SELECT version.id FROM labeling_datasetversion version
        JOIN labeling_datasetrow row ON row.version_id = version.id
        LEFT JOIN labeling_rankingrevision ranked ON ranked.id = row.ranking_id
        LEFT JOIN labeling_ranking ranking ON ranking.id = ranked.ranking_id
        LEFT JOIN labeling_demonstrationrevision written ON written.id = row.demonstration_id
        LEFT JOIN labeling_demonstration demonstration ON demonstration.id = written.demonstration_id
        LEFT JOIN labeling_prompt prompt ON prompt.id = row.prompt_id
        WHERE version.project_id IS DISTINCT FROM CASE version.kind
            WHEN 'comparisons' THEN ranking.project_id WHEN 'sft' THEN demonstration.project_id
            ELSE prompt.project_id END""",
}
RUNS = {
    "a run is leased exactly while it runs": """
        SELECT id FROM labeling_run WHERE (state = 'running') <> (num_nonnulls(owner, lease_until) = 2)
            OR num_nonnulls(owner, lease_until) = 1""",
    "what runs or is completed was claimed, and no attempt failed more than once": """
        SELECT id FROM labeling_run WHERE failures > attempt OR failures > max_attempts
            OR (state IN ('running', 'completed') AND (attempt = 0 OR started_at IS NULL))""",
    "a run that is over says when, and one that is not does not": """
        SELECT id FROM labeling_run
        WHERE (state IN ('completed', 'failed', 'stopped')) <> (finished_at IS NOT NULL)""",
}
ROUNDS = {
    "at most one round of a project is open": """
        SELECT project_id FROM labeling_round WHERE state IN ('running', 'held')
        GROUP BY project_id HAVING count(*) > 1""",
    "a round that is over says when, and one that is not does not": """
        SELECT id FROM labeling_round WHERE (state IN ('running', 'held')) <> (finished_at IS NULL)""",
    "a round and a stage have one run, and one judge": """
        SELECT round_id FROM labeling_run WHERE round_id IS NOT NULL AND stage <> 'evaluate'
        GROUP BY round_id, stage, is_judge HAVING count(*) > 1""",
    "a completed round has done all its steps": """
        SELECT round.id FROM labeling_round round JOIN labeling_roundstep step ON step.round_id = round.id
        WHERE round.state = 'completed' AND step.state <> 'done'""",
}
LINEAGE = {
    "a trained model is what its completed run has written": """
        SELECT model.id FROM labeling_modelversion model LEFT JOIN labeling_run run ON run.id = model.run_id
        WHERE model.kind <> 'outside' AND (run.state, run.artifact, run.project_id,
            CASE WHEN run.stage IN ('ppo', 'dpo') THEN 'policy' ELSE run.stage END)
            IS DISTINCT FROM ('completed', model.artifact, model.project_id, model.kind)""",
    "a completed run that trains has a model": """
        SELECT run.id FROM labeling_run run LEFT JOIN labeling_modelversion model ON model.run_id = run.id
        WHERE run.state = 'completed' AND run.stage NOT IN ('generate', 'evaluate') AND model.id IS NULL""",
    "a run reads complete versions and published models of its project, and at least one thing": """
        SELECT run.id FROM labeling_run run LEFT JOIN labeling_runinput given ON given.run_id = run.id
        LEFT JOIN labeling_datasetversion version ON version.id = given.dataset_id
        LEFT JOIN labeling_modelversion model ON model.id = given.model_id
        WHERE coalesce(version.project_id, model.project_id) IS DISTINCT FROM run.project_id
            OR version.state = 'incomplete'""",
    "what a run sampled, its policy has written, and the run generates": """
        SELECT origin.id FROM labeling_completionorigin origin
        JOIN labeling_run run ON run.id = origin.run_id
        LEFT JOIN labeling_runinput given ON given.run_id = run.id AND given.name = 'policy'
        WHERE (run.stage, run.state, given.model_id)
            IS DISTINCT FROM ('generate', 'completed', origin.model_id)""",
    "each completion of a generated item was written by the item's model": """
        SELECT item.id FROM labeling_item item JOIN labeling_itemcompletion part ON part.item_id = item.id
        LEFT JOIN labeling_completionorigin origin
            ON origin.completion_id = part.completion_id AND origin.model_id = item.model_id
        WHERE item.origin = 'generated' AND (origin.id IS NULL OR item.round_id IS NULL)""",
}
AUDIT = {
    "each seal begins where the one before it ended, and names its digest": """
        SELECT id FROM (SELECT *, lag(last_event, 1, 0) OVER links AS ended,
                lag(digest, 1, '') OVER links AS before FROM labeling_auditseal
                WINDOW links AS (ORDER BY last_event)) AS seal
        WHERE previous <> before OR first_event <= ended OR last_event < first_event
            OR first_event <> (SELECT min(event.id) FROM labeling_auditevent event WHERE event.id > ended)""",
}
LAWS = {**QUEUE, **ANSWERS, **VERSIONS, **RUNS, **ROUNDS, **LINEAGE, **AUDIT}


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


def broken_versions(database: Any, artifacts: Path) -> dict[int, str]:
    """Complete versions whose file is not what its row says, and what is wrong with it."""
    found: dict[int, str] = {}
    with database.cursor() as cursor:
        cursor.execute(
            "SELECT id, kind, digest, artifact, (counts ->> 'rows')::int FROM labeling_datasetversion"
            " WHERE state = 'complete'"
        )
        for version, kind, digest, artifact, rows in cursor.fetchall():
            folder = artifacts / artifact[:2] / artifact
            try:
                whole = verify_manifest(folder) == artifact
                content = (folder / f"{kind}.jsonl").read_bytes()
            except (OSError, ContractError) as error:
                found[version] = str(error)
                continue
            if not whole or hashlib.sha256(content).hexdigest() != digest or content.count(b"\n") != rows:
                found[version] = "its file is not the one that was frozen"
    return found


def broken_seals(database: Any) -> list[int]:
    """Seals whose digest does not follow from the one before and their events."""
    with database.cursor() as cursor:
        cursor.execute("SELECT id, first_event, last_event, previous, digest FROM labeling_auditseal")
        return [
            seal
            for seal, first, last, previous, digest in cursor.fetchall()
            if chain_digest(previous, _events(database, first, last)) != digest
        ]


def _events(database: Any, first: int, last: int) -> list[AuditEvent]:
    fields = ("id", "project_id", "actor_id", "verb", "subject", "data", "created_at")
    with database.cursor() as cursor:
        cursor.execute(
            f"SELECT {', '.join(fields)} FROM labeling_auditevent WHERE id BETWEEN %s AND %s ORDER BY id",
            [first, last],
        )
        events = [AuditEvent(**dict(zip(fields, row, strict=True))) for row in cursor.fetchall()]
    for event in events:
        if isinstance(event.data, str):  # Django's cursor leaves JSON as it is
            event.data = json.loads(event.data)
        event.created_at = event.created_at.astimezone(datetime.UTC)
    return events
