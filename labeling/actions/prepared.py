"""SQL of the hot path, which PostgreSQL plans once for a connection and Python never compiles.

Compiling and planning one of Django's queries costs more than running it. That is nothing to a page and
half the cost of a claim, so what every single answer needs goes this way; everything else stays a QuerySet.
A value whose type the server cannot tell from its place is cast in the SQL.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any, TypeAlias, TypeVar

from django.db import connection, models
from psycopg import Cursor

Row = tuple[Any, ...]
Values = dict[str, Any] | list[Any]
Statement = tuple[str, Values]
Model = TypeVar("Model", bound=models.Model)
Field: TypeAlias = "models.Field[Any, Any]"


def run(sql: str, values: Values) -> None:
    """Run a statement that returns nothing. Raises django.db's errors."""
    with _execute(sql, values):
        pass


def rows(sql: str, values: Values) -> list[Row]:
    """Every row that a statement returns. Raises django.db's errors."""
    with _execute(sql, values) as cursor:
        return cursor.fetchall()


def row(sql: str, values: Values) -> Row | None:
    """The first row that a statement returns, or None. Raises django.db's errors."""
    with _execute(sql, values) as cursor:
        return cursor.fetchone()


def together(*statements: Statement) -> list[list[Row]]:
    """The rows of each statement; all are sent at once, and run one after another.

    For statements that need nothing of each other's rows: a wait for the server costs both sides more than
    most of what is waited for. A transaction that begins with them begins with them. Raises django.db's
    errors, of the first that fails; the others then did not run.
    """
    connection.ensure_connection()
    connection.validate_no_broken_transaction()
    with connection.wrap_database_errors:
        with connection.connection.pipeline():
            cursors = [
                Cursor(connection.connection).execute(sql, values, prepare=True) for sql, values in statements
            ]
        return [cursor.fetchall() if cursor.description else [] for cursor in cursors]


def _execute(sql: str, values: Values) -> Cursor[Row]:
    connection.ensure_connection()
    connection.validate_no_broken_transaction()
    with connection.wrap_database_errors:
        return Cursor(connection.connection).execute(sql, values, prepare=True)


def columns(model: type[models.Model], table: str = "") -> str:
    """The columns of a model for a SELECT or RETURNING, in the order that `load` takes."""
    prefix = f"{table}." if table else ""
    return ", ".join(f'{prefix}"{field.column}"' for field in model._meta.concrete_fields)


def load(model: type[Model], values: Sequence[Any]) -> Model:
    """An object of a row's values, in the order of `columns`."""
    names, converters = _loading(model)
    converted = list(values)
    for place, convert in converters:
        converted[place] = convert(converted[place], None, connection)
    return model.from_db("default", names, converted)


@cache
def _loading(model: type[models.Model]) -> tuple[list[str], list[tuple[int, Any]]]:
    fields = model._meta.concrete_fields
    converters = [
        (place, field.from_db_value) for place, field in enumerate(fields) if hasattr(field, "from_db_value")
    ]
    return [field.attname for field in fields], converters


def insert(new: Model, *before: Statement) -> Model:
    """Write a new object as `save` does, without its signals, after what goes before it in the same breath.

    Raises django.db's errors.
    """
    sql, given, returned = _insertion(type(new))
    values = [field.get_db_prep_save(getattr(new, field.attname), connection) for field in given]
    *_others, (written,) = together(*before, (sql, values))
    for field, value in zip(returned, written, strict=True):
        setattr(new, field.attname, value)
    new._state.adding, new._state.db = False, "default"
    return new


@cache
def _insertion(model: type[models.Model]) -> tuple[str, list[Field], list[Field]]:
    returned = [
        field
        for field in model._meta.concrete_fields
        if field.primary_key or field.db_default is not models.NOT_PROVIDED
    ]
    given = [field for field in model._meta.concrete_fields if field not in returned]
    names = ", ".join(f'"{field.column}"' for field in given)
    places = ", ".join(["%s"] * len(given))
    written = ", ".join(f'"{field.column}"' for field in returned)
    sql = f'INSERT INTO "{model._meta.db_table}" ({names}) VALUES ({places}) RETURNING {written}'  # noqa: S608
    return sql, given, returned
