"""`python -m labeling.supervisor.prepare STEP…`: migrate, static, demo, in one process.

Starting Django costs more than any of the steps does when there is nothing left to do.
"""

from __future__ import annotations

import os
import sys


def main(steps: list[str]) -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "labeling.settings")
    import django
    from django.core.management import call_command

    django.setup()
    if "migrate" in steps:
        call_command("migrate", interactive=False, verbosity=0)
    if "static" in steps:
        call_command("collectstatic", interactive=False, verbosity=0)
    if "demo" in steps:
        call_command("demo")


if __name__ == "__main__":
    main(sys.argv[1:])
