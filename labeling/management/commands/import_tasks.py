"""Import tasks that each new policy is evaluated on, from a JSONL file."""

from __future__ import annotations

from labeling.management.corpora import ImportFile
from labeling.models import DatasetKind


class Command(ImportFile):
    help = """\
Import task files into a project from JSONL: what training has cost elsewhere is measured on them, before and
after, in each round. One question a line:

  {"task": "truthfulness", "id": "q1", "messages": [{"role": "user", "content": "…"}],
   "metric": "choice", "references": ["the right answer", "a wrong one"]}

metric, of a greedy response: exact (it is one of the references), contains (one of them), avoids (all of
them: words that are not wanted); choice (the first reference is likelier than any other). It becomes a
dataset version, which never changes. Rounds use the newest."""
    kind = DatasetKind.TASKS
