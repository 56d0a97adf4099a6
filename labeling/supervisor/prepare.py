"""`python -m labeling.supervisor.prepare STEP…`: migrate, static, demo, in one process.

Starting Django costs more than any of the steps does when there is nothing left to do.
"""

from __future__ import annotations

import os
import sys
import time

from labeling import environment

PATIENCE = 60.0
"""Seconds that the database has to come up: at boot it may be later than we are."""


def main(steps: list[str]) -> None:
    """Run the steps. Raises SystemExit where the database cannot be used."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "labeling.settings")
    import django
    from django.core.management import call_command
    from django.db import OperationalError

    django.setup()
    if "migrate" in steps:
        try:
            wait_for_database()
            call_command("migrate", interactive=False, verbosity=0)
        except OperationalError as error:
            sys.exit(f"The database cannot be used: {error}")
    if "static" in steps:
        call_command("collectstatic", interactive=False, verbosity=0)
    if "demo" in steps:
        call_command("demo")


def wait_for_database() -> None:
    """Wait until the database takes our connection, and say what it waits for. Raises OperationalError."""
    from django.db import OperationalError, connection

    deadline = time.monotonic() + PATIENCE
    told = ""
    while True:
        try:
            return connection.ensure_connection()
        except OperationalError as error:
            if time.monotonic() > deadline:
                raise
            if told != str(error):
                told = str(error)
                print(f"Waiting up to {PATIENCE:.0f} s for the database: {told}", file=sys.stderr, flush=True)
        time.sleep(0.5)


if __name__ == "__main__":
    try:
        main(sys.argv[1:])
    except environment.BadEnvironment as error:
        sys.exit(str(error))
    except KeyboardInterrupt:
        sys.exit(130)
