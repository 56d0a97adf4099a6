"""What a database holds besides its rows: what a dump must bring over so that its laws go on holding."""

from __future__ import annotations

import re
from typing import Any

import psycopg

QUERIES = {
    # PostgreSQL 18 lists NOT NULL among the constraints; older ones have it with the column.
    "constraints": """
        SELECT conrelid::regclass::text, conname, pg_get_constraintdef(oid), convalidated FROM pg_constraint
        WHERE connamespace = 'public'::regnamespace AND contype <> 'n'""",
    "triggers": """
        SELECT tgrelid::regclass::text, tgname, pg_get_triggerdef(oid), tgenabled FROM pg_trigger
        WHERE NOT tgisinternal""",
    "indexes": "SELECT tablename, indexname, indexdef FROM pg_indexes WHERE schemaname = 'public'",
    "functions": """
        SELECT proname, pg_get_functiondef(oid) FROM pg_proc WHERE pronamespace = 'public'::regnamespace""",
    "columns": """
        SELECT table_name, column_name, data_type, is_nullable, column_default, is_identity
        FROM information_schema.columns WHERE table_schema = 'public'""",
    "sequences": "SELECT sequencename, data_type, cache_size, last_value FROM pg_sequences",
}


Catalog = dict[str, list[tuple[object, ...]]]


def of(database: str) -> Catalog:
    """Each kind of thing in the database at this address, in the same order everywhere."""
    with psycopg.connect(database) as connection:
        return {
            what: sorted((tuple(map(_plain, row)) for row in connection.execute(query)), key=repr)
            for what, query in QUERIES.items()
        }


def _plain(value: Any) -> Any:
    """A definition without casts and brackets where it has an IN: a dump puts them elsewhere."""
    if isinstance(value, str) and "= ANY (" in value:
        return re.sub(r"::(character varying|text)(\[\])?|[()]", "", value)
    return value
