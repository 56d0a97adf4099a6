"""Importing prompts with their demonstrations and ready-made answers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import nullcontext
from dataclasses import dataclass, field

from django.db import transaction

from labeling.actions import audit
from labeling.actions.completions import Outcome, Written, outside_model, store_texts
from labeling.actions.errors import BadInput
from labeling.actions.import_items import queue_imported
from labeling.actions.import_rows import FieldMap, Row, parse, split_by_hash
from labeling.actions.text import body_digest, text_digest
from labeling.models import (
    Demonstration,
    DemonstrationRevision,
    DemonstrationSource,
    ModelKind,
    ModelVersion,
    Project,
    Prompt,
    User,
)
from labeling.models.queue import MAX_K

BATCH_ROWS = 1000
BATCH_BYTES = 16 * 1024 * 1024
SIMULATED = "simulated"
"""The `source` that marks a row's prompt and demonstrations as a program's work."""

OnBadLine = Callable[[int, BadInput], None]
OnPrompt = Callable[[int, Prompt, Outcome], None]


@dataclass
class ImportReport:
    """What became of each line, prompt, demonstration and answer."""

    lines: int = 0
    bad: int = 0
    prompts: Counter[Outcome] = field(default_factory=Counter)
    splits: Counter[str] = field(default_factory=Counter)
    """Of the prompts stored."""
    demonstrations: Counter[Outcome] = field(default_factory=Counter)
    answers: Counter[Outcome] = field(default_factory=Counter)
    rank_items: Counter[int] = field(default_factory=Counter)
    """New items to rank, by K."""
    too_few_to_rank: int = 0
    """Prompts that have answers, but a single distinct one."""
    demonstrate_items: int = 0

    def written(self) -> dict[str, int]:
        """How many rows of each kind are new."""
        return {
            "prompts": self.prompts[Outcome.STORED],
            "demonstrations": self.demonstrations[Outcome.STORED],
            "completions": self.answers[Outcome.STORED],
            "origins": self.answers[Outcome.STORED] + self.answers[Outcome.MERGED],
            "items": self.rank_items.total() + self.demonstrate_items,
        }


def import_lines(
    project: Project,
    lines: Iterable[bytes],
    mapping: FieldMap | None = None,
    *,
    k: int = 4,
    seed: int = 0,
    demonstrate: bool = False,
    dry_run: bool = False,
    actor: User | None = None,
    on_bad_line: OnBadLine = lambda number, error: None,
    on_prompt: OnPrompt = lambda number, prompt, outcome: None,
    on_progress: Callable[[ImportReport], None] = lambda report: None,
) -> ImportReport:
    """Read JSONL lines (actions/import_rows.py says what one holds) and store what is new in them.

    A line that cannot be taken goes to `on_bad_line` with its number, and the rest is imported; the prompt of
    each other line goes to `on_prompt`, with whether it is new. Lines are read as a stream and stored in
    batches, each in one transaction: a prompt and all that belongs to it land together, and an import that
    was broken off is simply run again.

    Items are queued as actions/import_items.py says: to rank, up to `k` answers drawn by `seed`; and with
    `demonstrate`, to write one where a prompt has none. `dry_run` does all of this and takes it back.
    Raises BadInput if `k` is not from 2 to 9.
    """
    if not 2 <= k <= MAX_K:
        raise BadInput(f"K is {k}; an item has 2 to {MAX_K} completions", field="k")
    importer = _Importer(project, on_bad_line, on_prompt, k=k, seed=seed, demonstrate=demonstrate)
    report = importer.report
    with transaction.atomic() if dry_run else nullcontext():
        for batch in importer.batches(lines, mapping or FieldMap()):
            importer.store(batch)
            on_progress(report)
        if any(report.written().values()):
            audit.record("prompts.imported", project=project, actor=actor, written=report.written())
        if dry_run:
            transaction.set_rollback(True)
    return report


class _Importer:
    """One import: its report, and what later batches need to know of earlier ones."""

    def __init__(
        self,
        project: Project,
        on_bad_line: OnBadLine,
        on_prompt: OnPrompt,
        *,
        k: int,
        seed: int,
        demonstrate: bool,
    ) -> None:
        self.project = project
        self.on_bad_line = on_bad_line
        self.on_prompt = on_prompt
        self.k, self.seed, self.demonstrate = k, seed, demonstrate
        self.report = ImportReport()
        self.models: dict[str, ModelVersion] = {}
        self.trained_here = set(
            ModelVersion.objects.filter(project=project)
            .exclude(kind=ModelKind.OUTSIDE)
            .values_list("name", flat=True)
        )
        self.group_splits: dict[str, str] = {}

    def batches(self, lines: Iterable[bytes], mapping: FieldMap) -> Iterator[list[tuple[int, Row]]]:
        """The good rows with their line numbers, as many at once as a transaction should hold."""
        batch: list[tuple[int, Row]] = []
        size = 0
        for number, line in enumerate(lines, 1):
            self.report.lines += 1
            try:
                row = parse(line, mapping, first=number == 1)
            except BadInput as error:
                self._refuse(number, error)
                continue
            if row is None:
                continue
            batch.append((number, row))
            size += len(line)
            if len(batch) == BATCH_ROWS or size >= BATCH_BYTES:
                yield batch
                batch, size = [], 0
        if batch:
            yield batch

    @transaction.atomic
    def store(self, batch: list[tuple[int, Row]]) -> None:
        # Imports into one project follow each other, batch by batch: each sees what the others stored.
        Project.objects.select_for_update(no_key=True).get(pk=self.project.pk)
        pairs = self._store_prompts(batch)
        self._store_demonstrations(pairs)
        self._store_answers(pairs)
        prompts = {prompt.pk: prompt for _row, prompt in pairs}
        answered = {prompt.pk for row, prompt in pairs if row.completions}
        queued = queue_imported(
            self.project, prompts, answered, k=self.k, seed=self.seed, demonstrate=self.demonstrate
        )
        self.report.rank_items.update(queued.rank_items)
        self.report.too_few_to_rank += queued.too_few_to_rank
        self.report.demonstrate_items += queued.demonstrate_items

    def _store_prompts(self, batch: list[tuple[int, Row]]) -> list[tuple[Row, Prompt]]:
        """The prompt of each row, stored or found. A row that would divide a group over splits is refused."""
        self._look_up_groups({row.labels["group"] for _number, row in batch})
        known = {
            bytes(prompt.digest): prompt
            for prompt in Prompt.objects.filter(
                project=self.project, digest__in=[row.digest for _number, row in batch]
            ).defer("messages")
        }
        pairs, new = [], []
        for number, row in batch:
            try:
                self._check_models(row)
                prompt = known.get(row.digest) or self._new_prompt(row)
            except BadInput as error:
                self._refuse(number, error)
                continue
            outcome = Outcome.ALREADY_THERE if row.digest in known else Outcome.STORED
            self.report.prompts[outcome] += 1
            if outcome == Outcome.STORED:
                self.report.splits[prompt.split] += 1
                known[row.digest] = prompt
                new.append(prompt)
                if prompt.group:
                    self.group_splits[prompt.group] = prompt.split
            self.on_prompt(number, prompt, outcome)
            pairs.append((row, prompt))
        Prompt.objects.bulk_create(new)
        return pairs

    def _new_prompt(self, row: Row) -> Prompt:
        labels = row.labels
        group = labels["group"]
        settled = self.group_splits.get(group)
        split = labels["split"] or settled or split_by_hash(group, row.digest)
        if settled and split != settled:
            raise BadInput(f"{split}, but its group's prompts are in {settled}", field="split")
        return Prompt(
            project=self.project,
            digest=row.digest,
            messages=row.messages,
            split=split,
            use_case=labels["use_case"],
            language=labels["language"],
            group=group,
            licence=labels["licence"],
            source=labels["source"],
            external_id=labels["id"],
            is_simulated=labels["source"] == SIMULATED,
        )

    def _look_up_groups(self, groups: set[str]) -> None:
        """Which split each group is in already. What this import has seen, it remembers."""
        if unseen := groups - self.group_splits.keys() - {""}:
            self.group_splits.update(
                Prompt.objects.filter(project=self.project, group__in=unseen).values_list("group", "split")
            )

    def _check_models(self, row: Row) -> None:
        for number, (name, _text) in enumerate(row.completions):
            if name in self.trained_here:
                raise BadInput("is a model that this project trained", field=f"completions[{number}].model")

    def _store_demonstrations(self, pairs: list[tuple[Row, Prompt]]) -> None:
        known = {
            (prompt, bytes(digest or b""))
            for prompt, digest in Demonstration.objects.filter(
                prompt__in={prompt.pk for _row, prompt in pairs}, source=DemonstrationSource.IMPORTED
            ).values_list("prompt_id", "import_digest")
        }
        new, texts = [], []
        for row, prompt in pairs:
            for text in row.demonstrations:
                identity = (prompt.pk, text_digest(text))
                if not text.strip():
                    outcome = Outcome.EMPTY
                elif identity in known:
                    outcome = Outcome.ALREADY_THERE
                else:
                    outcome = Outcome.STORED
                    known.add(identity)
                    texts.append(text)
                    new.append(
                        Demonstration(
                            project=self.project,
                            prompt=prompt,
                            source=DemonstrationSource.IMPORTED,
                            import_digest=identity[1],
                            is_simulated=row.labels["source"] == SIMULATED,
                        )
                    )
                self.report.demonstrations[outcome] += 1
        Demonstration.objects.bulk_create(new)
        DemonstrationRevision.objects.bulk_create(
            DemonstrationRevision(
                demonstration=demonstration, number=1, text=text, body_digest=body_digest({"text": text})
            )
            for demonstration, text in zip(new, texts, strict=True)
        )

    def _store_answers(self, pairs: list[tuple[Row, Prompt]]) -> None:
        texts = [
            Written(prompt, text, self._model(name))
            for row, prompt in pairs
            for name, text in row.completions
        ]
        self.report.answers.update(store_texts(texts))

    def _model(self, name: str) -> ModelVersion:
        if name not in self.models:
            self.models[name] = outside_model(self.project, name)
        return self.models[name]

    def _refuse(self, number: int, error: BadInput) -> None:
        self.report.bad += 1
        self.on_bad_line(number, error)
