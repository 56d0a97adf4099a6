"""Import a pretraining corpus from a JSONL file."""

from __future__ import annotations

from labeling.management.corpora import ImportFile
from labeling.models import DatasetKind


class Command(ImportFile):
    help = """\
Import a pretraining corpus into a project from a JSONL file: one {"text": "…"} a line.

It becomes a dataset version, which never changes. Rounds use the newest where the loop policy mixes
pretraining in: sft.pretraining_share, ppo.pretraining_coefficient (PPO-ptx)."""
    kind = DatasetKind.PRETRAINING
