"""Queues of any size, written by SQL as the verbs would have left them, and then checked.

Loading switches triggers and foreign keys off for its own transaction, and builds the indexes of a large
load at its end: otherwise a million items take the better part of an hour. What the laws would have refused
is counted afterwards (`check`); unique indexes are checked as they are built.
"""

from __future__ import annotations

from typing import Any

import psycopg
from psycopg import sql

K = 4
LANGUAGES = ("en", "zh-hans", "de", "fr", "es")
"""Of the prompts, in turn. The first completion of every third item was written by one of the labelers."""

TABLES = [f"labeling_{name}" for name in ("prompt", "completion", "item", "itemcompletion", "slot")]

FUNCTIONS = """
CREATE FUNCTION pg_temp.public_id() RETURNS text LANGUAGE sql VOLATILE AS $$
    SELECT translate(left(replace(gen_random_uuid()::text, '-', ''), 16), '01', 'gh')
$$;
CREATE FUNCTION pg_temp.messages(n bigint) RETURNS text LANGUAGE sql IMMUTABLE AS $$
    SELECT '[{"content":"Question ' || n || '.' || repeat(' Please answer in a few sentences.', 6)
        || '","role":"user"}]'
$$;
CREATE FUNCTION pg_temp.answer(n bigint, place int) RETURNS text LANGUAGE sql IMMUTABLE AS $$
    SELECT 'Answer ' || place || ' to question ' || n || '.'
        || repeat(' It is so because of this and of that.', 8)
$$;
"""

# Items `first` to `last`, each of a prompt of its own: the same number is the key of both.
ITEMS = """
INSERT INTO labeling_prompt (id, public_id, project_id, digest, messages, split, use_case, language, "group",
                             licence, source, external_id, sensitive, flags, is_simulated)
SELECT n, pg_temp.public_id(), %(project)s, sha256(convert_to(pg_temp.messages(n), 'UTF8')),
       pg_temp.messages(n)::jsonb, 'train', '', (%(languages)s::text[])[1 + n %% 5], '', '', 'benchmark', '',
       '{}', '{}', false
FROM generate_series(%(first)s::bigint, %(last)s) AS n;

INSERT INTO labeling_completion (id, prompt_id, public_id, text, digest, author_id)
SELECT 4 * n + place, n, pg_temp.public_id(), pg_temp.answer(n, place),
       sha256(convert_to(pg_temp.answer(n, place), 'UTF8')),
       CASE WHEN place = 0 AND n %% 3 = 0 THEN (%(people)s::bigint[])[1 + n %% cardinality(%(people)s)] END
FROM generate_series(%(first)s::bigint, %(last)s) AS n, generate_series(0, 3) AS place;

INSERT INTO labeling_item (id, public_id, project_id, kind, purpose, prompt_id, brief, reason, k, overlap,
                           state, origin, arm, probability, skips, needs_review)
SELECT n, pg_temp.public_id(), %(project)s, 'rank', 'work', n, '{}', '', 4, %(overlap)s, 'open', 'imported',
       'uniform', 1, 0, false
FROM generate_series(%(first)s::bigint, %(last)s) AS n;

INSERT INTO labeling_itemcompletion (item_id, prompt_id, completion_id, position)
SELECT n, n, 4 * n + place, place
FROM generate_series(%(first)s::bigint, %(last)s) AS n, generate_series(0, 3) AS place;

INSERT INTO labeling_slot (item_id, number, state, project_id, kind, band, key, language, sensitive,
                           has_authors)
SELECT n, number, 'open', %(project)s, 'rank', 1, key, (%(languages)s::text[])[1 + n %% 5], '{}', n %% 3 = 0
FROM (SELECT n, floor(random() * 2.0 ^ 62)::bigint AS key
      FROM generate_series(%(first)s::bigint, %(last)s) AS n) AS item,
     generate_series(0, %(overlap)s - 1) AS number ORDER BY key;

SELECT setval(pg_get_serial_sequence('labeling_prompt', 'id'), %(last)s),
       setval(pg_get_serial_sequence('labeling_item', 'id'), %(last)s),
       setval(pg_get_serial_sequence('labeling_completion', 'id'), 4 * %(last)s + 4);
"""

RAISE_OVERLAP = """
UPDATE labeling_item SET overlap = %(overlap)s WHERE overlap < %(overlap)s;
INSERT INTO labeling_slot (item_id, number, state, project_id, kind, band, key, language, sensitive,
                           has_authors)
SELECT item_id, added, 'open', project_id, kind, band, key, language, sensitive, has_authors
FROM labeling_slot, generate_series(1, %(overlap)s - 1) AS added WHERE number = 0;
"""

# Answers to the rows of the temporary table `given` (item_id, number of the slot, labeler_id).
ANSWERS = """
INSERT INTO labeling_assignment (token, slot_id, item_id, project_id, kind, labeler_id, state, is_repeat,
    method, shown_order, rubric_id, lease_until, opened_at, closed_at, skip_reason, skip_comment)
SELECT gen_random_uuid(), slot.id, slot.item_id, slot.project_id, 'rank', given.labeler_id, 'answered', false,
    'rate', '{2,0,3,1}', rubric.id, now() + interval '20 min', now(), now(), '', ''
FROM given JOIN labeling_slot slot USING (item_id, number)
JOIN labeling_rubric rubric ON rubric.project_id = slot.project_id
WHERE slot.state = 'open' ORDER BY slot.key;
UPDATE labeling_slot slot SET state = 'filled' FROM given
WHERE slot.item_id = given.item_id AND slot.number = given.number;
INSERT INTO labeling_ranking
    (public_id, project_id, item_id, assignment_id, slot_id, labeler_id, is_repeat, is_simulated)
SELECT pg_temp.public_id(), done.project_id, done.item_id, done.id, done.slot_id, done.labeler_id,
    false, false
FROM given JOIN labeling_assignment done USING (item_id, labeler_id) WHERE done.state = 'answered';
INSERT INTO labeling_rankingrevision (public_id, number, base, labeler_id, idempotency_key, body_digest,
    active_seconds, ranking_id, item_id, k, rubric_id, scores, ranks, flags, denied, moved, all_bad, comment,
    mode, method, conflicts)
SELECT pg_temp.public_id(), 1, 0, ranking.labeler_id, gen_random_uuid()::text, sha256('benchmark'), 30,
    ranking.id, ranking.item_id, 4, done.rubric_id, '{7,6,5,4}', '{1,2,3,4}', '{0,0,0,0}', '{}', '{t,f,f,f}',
    false, '', 'keys', 'rate', 0
FROM given JOIN labeling_ranking ranking USING (item_id, labeler_id)
JOIN labeling_assignment done ON done.id = ranking.assignment_id;
"""

CHECKS = {
    "items without their completions": """
        SELECT count(*) FROM labeling_item item WHERE k <> (
            SELECT count(*) FROM labeling_itemcompletion part
            JOIN labeling_completion completion ON completion.id = part.completion_id
            WHERE part.item_id = item.id AND part.position < item.k
              AND part.prompt_id = item.prompt_id AND completion.prompt_id = item.prompt_id)""",
    "items without their slots": """
        SELECT count(*) FROM labeling_item item WHERE overlap <> (
            SELECT count(*) FROM labeling_slot slot
            WHERE slot.item_id = item.id AND slot.project_id = item.project_id)""",
    "filled slots without an answer": """
        SELECT count(*) FROM labeling_slot slot
        LEFT JOIN labeling_ranking ranking ON ranking.slot_id = slot.id
        WHERE (slot.state = 'filled') <> (ranking.id IS NOT NULL)""",
}


class World:
    """One database with one project of the benchmark."""

    def __init__(self, url: str, project: int, people: list[int]) -> None:
        self.connection = psycopg.connect(url, autocommit=True)
        self.connection.execute(FUNCTIONS)
        self.project, self.people = project, people

    def close(self) -> None:
        self.connection.close()

    def fill(self, wanted: int, overlap: int) -> None:
        """Add items until `wanted` of them are open."""
        (there,) = self._one("SELECT count(DISTINCT item_id) FROM labeling_slot WHERE state = 'open'")
        (last,) = self._one("SELECT coalesce(max(id), 0) FROM labeling_item")
        missing = wanted - there
        if missing <= 0:
            return
        values = {"first": last + 1, "last": last + missing, "overlap": overlap}
        if missing > wanted // 2:
            self._load_much(ITEMS, TABLES, **values)
        else:
            self._load(ITEMS, **values)

    def raise_overlap(self, overlap: int) -> None:
        """Every item wants this many answers, where it wanted one."""
        self._load_much(RAISE_OVERLAP, ["labeling_item", "labeling_slot"], overlap=overlap)

    def answer(self, given: str, **values: Any) -> None:
        """Write answers to what `given`, a query for (item_id, number, labeler_id), finds."""
        self.connection.execute(
            sql.SQL("CREATE TEMPORARY TABLE given AS ") + sql.SQL(given),
            values,
        )
        self.connection.execute("ANALYZE given")
        self._load(ANSWERS)
        self.connection.execute("DROP TABLE given")

    def run(self, statement: str, **values: Any) -> None:
        """A statement of a scenario, with the laws off; `check` counts what it broke."""
        self._load(statement, **values)

    def settle(self) -> None:
        """What autovacuum and the checkpointer would have done by themselves, and the checks."""
        self.connection.execute("VACUUM (ANALYZE)")
        self.check()
        self.connection.execute("CHECKPOINT")

    def check(self) -> None:
        """Raises AssertionError where the load left what the laws would have refused."""
        for what, query in CHECKS.items():
            (broken,) = self._one(query)
            assert broken == 0, f"{broken:,} {what}"

    def _load_much(self, script: str, tables: list[str], **values: Any) -> None:
        self.connection.execute("SET maintenance_work_mem = '512MB'")
        self.connection.execute(
            "UPDATE pg_index SET indisready = false WHERE indrelid = ANY(%s::regclass[])", [tables]
        )
        self._load(script, **values)
        for table in tables:
            self.connection.execute(sql.SQL("REINDEX TABLE {}").format(sql.Identifier(table)))
        self.settle()

    def _load(self, script: str, **values: Any) -> None:
        known = {"project": self.project, "people": self.people, "languages": list(LANGUAGES), **values}
        with self.connection.transaction():
            self.connection.execute("SET LOCAL session_replication_role = replica")
            for statement in script.split(";\n"):
                if statement.strip():
                    self.connection.execute(statement, known)

    def _one(self, query: str) -> Any:
        return self.connection.execute(query).fetchone()
