"""`python -m labeling.supervisor.prepare STEP…`: migrate, static, demo, in one process.

Starting Django costs more than any of the steps does when there is nothing left to do.
"""

from __future__ import annotations

import os
import sys

from labeling import environment


def main(steps: list[str]) -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "labeling.settings")
    import django
    from django.core.management import call_command
    from django.db import OperationalError

    django.setup()
    if "migrate" in steps:
        try:
            call_command("migrate", interactive=False, verbosity=0)
        except OperationalError as error:
            sys.exit(f"The database cannot be used: {error}")
    if "static" in steps:
        call_command("collectstatic", interactive=False, verbosity=0)
    if "demo" in steps:
        call_command("demo")


if __name__ == "__main__":
    try:
        main(sys.argv[1:])
    except environment.BadEnvironment as error:
        sys.exit(str(error))
    except KeyboardInterrupt:
        sys.exit(130)
