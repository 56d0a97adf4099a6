"""What the commands that import a file as a dataset version share."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar

from django.core.management.base import CommandError, CommandParser

from labeling.actions import corpora, projects
from labeling.actions.errors import ActionError, BadInput
from labeling.actions.import_rows import bounded_lines
from labeling.management.messages import Described, refusal


class ImportFile(Described):
    """A subclass says of which kind the file is."""

    kind: ClassVar[str]

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("project", help="the project's short name (slug)")
        parser.add_argument("file", type=Path, help="the JSONL file, UTF-8")
        parser.add_argument("--source", default="", help="where it comes from, kept with the version")
        parser.add_argument("--licence", default="", help="under which licence, kept with the version")
        parser.add_argument(
            "--skip-bad", action="store_true", help="leave bad lines out instead of importing nothing"
        )
        parser.add_argument("--dry-run", action="store_true", help="check every line, write nothing")

    def handle(self, **options: Any) -> None:
        try:
            with options["file"].open("rb") as stream:
                report = corpora.import_file(
                    projects.by_slug(options["project"]),
                    self.kind,
                    bounded_lines(stream),
                    source=options["source"],
                    licence=options["licence"],
                    skip_bad=options["skip_bad"],
                    dry_run=options["dry_run"],
                    on_bad_line=self._bad_line,
                )
        except ActionError as error:
            raise CommandError(refusal(error)) from None
        except OSError as error:
            raise CommandError(f"{options['file']}: {error.strerror}") from None
        if report.bad and not options["skip_bad"]:
            raise CommandError(
                f"{report.bad:,} of {report.lines:,} lines cannot be taken: nothing was imported. Mend them, "
                "or leave them out with --skip-bad."
            )
        counted = ", ".join(f"{count:,} {name}" for name, count in _flat(report.counts))
        if report.version is None:
            self.stdout.write(f"A dry run: nothing was written. {counted}")
            return
        what = "" if report.is_new else ", which was there already"
        self.stdout.write(f"{self.kind} {report.version.number}{what}: {counted}")

    def _bad_line(self, number: int, error: BadInput) -> None:
        self.stderr.write(f"line {number}: {refusal(error)}")


def _flat(counts: dict[str, Any]) -> list[tuple[str, int]]:
    found: list[tuple[str, int]] = []
    for name, count in counts.items():
        found += (
            [(f"of {task}", n) for task, n in count.items()] if isinstance(count, dict) else [(name, count)]
        )
    return found
