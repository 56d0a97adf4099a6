"""Import prompts, answers and demonstrations from a JSONL file."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

from django.core.management.base import CommandError, CommandParser

from labeling.actions import projects
from labeling.actions.completions import Outcome
from labeling.actions.errors import ActionError, BadInput
from labeling.actions.import_rows import FIELDS, FieldMap, bounded_lines
from labeling.actions.prompts import ImportReport, import_lines
from labeling.management.messages import Described, refusal

DESCRIPTION = """\
Import prompts, with their demonstrations and ready-made answers, into a project from a JSONL file.

One JSON object a line. Fields, all but prompt optional:
  prompt          a text, or [{"role": "system|user|assistant", "content": "…"}, …] ending with the user's
  completions     [{"model": "name", "text": "…"}, …]
  demonstrations  a text or a list of texts
  id use_case language group licence source split

A file with other names is read with --map, for example
  --map prompt=instruction+input --map demonstrations=target --map completions=responses

An import can be run again: what is there already is left alone. A bad line is reported with its number,
and the rest is imported; the exit status is then 1."""


class Command(Described):
    help = DESCRIPTION

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("project", help="the project's short name (slug)")
        parser.add_argument("file", type=Path, help="the JSONL file, UTF-8")
        parser.add_argument(
            "--map",
            action="append",
            default=[],
            metavar="FIELD=PATH",
            help=f"read FIELD ({', '.join(FIELDS)}) from the file's PATH; a+b joins two texts with a blank "
            "line, a.b goes into an object",
        )
        parser.add_argument(
            "--set",
            action="append",
            default=[],
            metavar="FIELD=VALUE",
            help="the value of FIELD where a line has none, for example licence=Apache-2.0",
        )
        parser.add_argument(
            "--ignore-unknown", action="store_true", help="pass over fields that are neither known nor mapped"
        )
        parser.add_argument(
            "--k", type=int, default=4, help="answers in an item to rank, 2 to 9 (default: 4)"
        )
        parser.add_argument("--seed", type=int, default=0, help="of the draw of those answers (default: 0)")
        parser.add_argument(
            "--demonstrate",
            action="store_true",
            help="also queue each prompt without a demonstration for one to be written",
        )
        parser.add_argument("--dry-run", action="store_true", help="report what would happen, write nothing")

    def handle(self, **options: Any) -> None:
        try:
            project = projects.by_slug(options["project"])
            mapping = FieldMap(
                _pairs(options["map"], "map"), _pairs(options["set"], "set"), options["ignore_unknown"]
            )
            report = self._import(project, mapping, options)
        except ActionError as error:
            raise CommandError(refusal(error)) from None
        except OSError as error:
            raise CommandError(f"{options['file']}: {error.strerror}") from None
        if report.lines == 0:
            raise CommandError(f"{options['file']}: is empty")
        self._print(report, dry_run=options["dry_run"])
        if report.bad:
            raise CommandError(f"{report.bad:,} of {report.lines:,} lines could not be taken.")

    def _import(self, project: Any, mapping: FieldMap, options: dict[str, Any]) -> ImportReport:
        progress = _Progress(options["file"])
        with options["file"].open("rb") as stream:
            report = import_lines(
                project,
                progress.read(stream),
                mapping,
                k=options["k"],
                seed=options["seed"],
                demonstrate=options["demonstrate"],
                dry_run=options["dry_run"],
                on_bad_line=self._bad_line,
                on_progress=progress.show,
            )
        progress.end()
        return report

    def _bad_line(self, number: int, error: BadInput) -> None:
        self.stderr.write(f"line {number}: {refusal(error)}")

    def _print(self, report: ImportReport, *, dry_run: bool) -> None:
        new, there, empty = Outcome.STORED, Outcome.ALREADY_THERE, Outcome.EMPTY
        splits = ", ".join(f"{report.splits[split]:,} {split}" for split in sorted(report.splits))
        by_k = ", ".join(f"{report.rank_items[k]:,} with K = {k}" for k in sorted(report.rank_items))
        lines = [
            "A dry run: nothing was written." if dry_run else "",
            f"lines           {report.lines:,} read, {report.bad:,} bad",
            f"prompts         {report.prompts[new]:,} new{f' ({splits})' if splits else ''}, "
            f"{report.prompts[there]:,} already there",
            f"demonstrations  {report.demonstrations[new]:,} new, {report.demonstrations[there]:,} already "
            f"there, {report.demonstrations[empty]:,} empty",
            f"answers         {report.answers.total():,} read: {report.answers[new]:,} new, "
            f"{report.answers[Outcome.MERGED]:,} merged with an equal one, "
            f"{report.answers[there]:,} already there, {report.answers[empty]:,} empty",
            f"items to rank   {report.rank_items.total():,} new{f' ({by_k})' if by_k else ''}; "
            f"{report.too_few_to_rank:,} prompts have only one answer to rank",
            f"items to write  {report.demonstrate_items:,} new",
        ]
        self.stdout.write("\n".join(line for line in lines if line))


class _Progress:
    """How far the file is read, on standard error: rewritten in place on a terminal, else now and then."""

    def __init__(self, path: Path) -> None:
        self.size = path.stat().st_size
        self.bytes_read = 0
        self.shown_at = time.monotonic()
        self.on_terminal = sys.stderr.isatty()

    def read(self, stream: BinaryIO) -> Iterator[bytes]:
        for line in bounded_lines(stream):
            self.bytes_read = stream.tell()
            yield line

    def show(self, report: ImportReport) -> None:
        pause = 0.2 if self.on_terminal else 5.0
        if time.monotonic() - self.shown_at < pause:
            return
        self.shown_at = time.monotonic()
        share = f"{self.bytes_read / self.size:4.0%}" if self.size else ""
        print(
            f"{share}  {report.lines:,} lines",
            end="\r" if self.on_terminal else "\n",
            file=sys.stderr,
            flush=True,
        )

    def end(self) -> None:
        if self.on_terminal:
            print("\033[K", end="", file=sys.stderr, flush=True)


def _pairs(options: list[str], name: str) -> dict[str, str]:
    pairs = {}
    for option in options:
        target, sign, value = option.partition("=")
        if not sign or not value:
            raise BadInput(f"{option!r}: FIELD=VALUE is wanted", field=name)
        if target in pairs:
            raise BadInput(f"{target} is given twice", field=name)
        pairs[target] = value
    return pairs
