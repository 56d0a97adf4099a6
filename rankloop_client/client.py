"""The client: a method for each operation of the API, under its name, and a few that need several.

What everybody may ask is in labeler.py; here is what is for reviewers and leads.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, Self

from rankloop_client import batches, datasets, guidance, operations, records, watching
from rankloop_client.batches import ImportReport, Source
from rankloop_client.labeler import Labeler
from rankloop_client.server import Retries, Server
from rankloop_client.watching import Changed, Measured


class Client(Labeler):
    """Speaks for one person to the Rankloop at an address, by a token made under “API tokens”.

    Whatever is safe to repeat is tried again when a connection breaks or the server is busy, for as long as
    `retries` says. `timeout` is how many seconds the server may be silent. `page_size`, up to 200, is how
    many entries of a list come at once. Plain HTTP is spoken to this machine only, unless `insecure`.

    Every method raises a RankloopError (errors.py) for what the server refuses. A client is for one thread.
    """

    def __init__(
        self,
        address: str,
        token: str | None,
        *,
        retries: Retries | None = None,
        timeout: float = 60.0,
        page_size: int = 100,
        insecure: bool = False,
    ) -> None:
        self._server = Server(
            address,
            token,
            retries=retries or Retries(),
            timeout=timeout,
            page_size=page_size,
            insecure=insecure,
        )

    @classmethod
    def signed_in(cls, address: str, username: str, password: str, **options: Any) -> Self:
        """A client with a session as the pages have it, for an account without a second factor.

        `options` are those of the client. Raises BadToken, and NotAllowed for a one-time password.
        """
        client = cls(address, None, **options)
        client._server.sign_in(username, password)
        client.me()
        return client

    def close(self) -> None:
        self._server.session.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    # --- what people wrote: for reviewers and leads ---

    def demonstrations(
        self,
        project: str,
        *,
        prompt: str | None = None,
        source: str | None = None,
        simulated: bool | None = None,
        created_after: datetime | None = None,
        purpose: str | None = None,
    ) -> Iterator[records.Demonstration]:
        """As they now stand, newest first."""
        return self._server.pages(
            operations.DEMONSTRATIONS,
            {"project": project},
            purpose=purpose,
            prompt=prompt,
            source=source,
            simulated=simulated,
            created_after=created_after,
        )

    def demonstration(self, demonstration: str) -> records.DemonstrationWhole:
        return self._server.call(operations.DEMONSTRATION, {"demonstration": demonstration})

    def rankings(
        self,
        project: str,
        *,
        item: str | None = None,
        prompt: str | None = None,
        simulated: bool | None = None,
        created_after: datetime | None = None,
        purpose: str | None = None,
        repeats: bool | None = None,
    ) -> Iterator[records.Ranking]:
        """As they now stand, newest first."""
        return self._server.pages(
            operations.RANKINGS,
            {"project": project},
            purpose=purpose,
            repeats=repeats,
            item=item,
            prompt=prompt,
            simulated=simulated,
            created_after=created_after,
        )

    def ranking(self, ranking: str) -> records.RankingWhole:
        return self._server.call(operations.RANKING, {"ranking": ranking})

    # --- what labelers go by: from here on for leads ---

    def guidelines_versions(self, project: str) -> Iterator[guidance.GuidelinesVersion]:
        return self._server.pages(operations.GUIDELINES_VERSIONS, {"project": project})

    def write_guidelines(
        self, project: str, base: int, text: str, *, binding: bool = False, note: str = ""
    ) -> guidance.GuidelinesVersion:
        """A new version. Raises Conflict, with the `stored` one, if `base` is not the newest (0: none)."""
        body = {"base": base, "text": text, "binding": binding, "note": note}
        return self._server.call(operations.WRITE_GUIDELINES, {"project": project}, body=body)

    def rubrics(self, project: str) -> Iterator[guidance.RubricVersion]:
        return self._server.pages(operations.RUBRICS, {"project": project})

    def write_rubric(
        self,
        project: str,
        base: int,
        flags: Sequence[guidance.SentFlag],
        *,
        scale_max: int = 7,
        help: Mapping[str, str] | None = None,
        note: str = "",
    ) -> guidance.RubricVersion:
        """A new version. Raises Conflict if `base` is not the newest. What is held keeps its own."""
        body = {"base": base, "flags": flags, "scale_max": scale_max, "help": help or {}, "note": note}
        return self._server.call(operations.WRITE_RUBRIC, {"project": project}, body=body)

    # --- prompts, completions and the queue ---

    def prompts(
        self,
        project: str,
        *,
        split: str | None = None,
        use_case: str | None = None,
        language: str | None = None,
        group: str | None = None,
        source: str | None = None,
        id: str | None = None,
        simulated: bool | None = None,
    ) -> Iterator[records.Prompt]:
        return self._server.pages(
            operations.PROMPTS,
            {"project": project},
            split=split,
            use_case=use_case,
            language=language,
            group=group,
            source=source,
            id=id,
            simulated=simulated,
        )

    def prompt(self, prompt: str) -> records.Prompt:
        return self._server.call(operations.PROMPT, {"prompt": prompt})

    def import_prompts(
        self,
        project: str,
        rows: Source,
        *,
        k: int = 4,
        seed: int = 0,
        demonstrate: bool = False,
        dry_run: bool = False,
    ) -> ImportReport:
        """Take in prompts, from a JSONL file or as PromptRows, with their completions and demonstrations.

        They are sent in batches. A bad row is refused alone. What is there already is left alone, so that an
        import that broke off is simply run again; after a retry, rows may be called `already_there` that the
        lost try has stored. Of prompts with completions, up to `k` drawn by `seed` are queued to be ranked;
        with `demonstrate`, prompts without a demonstration are queued for one. A `dry_run` writes nothing,
        and sees no further than one batch.
        """
        options = {"k": k, "seed": seed, "demonstrate": demonstrate, "dry_run": dry_run}
        return batches.send_prompts(self._server, project, rows, options)

    def completions(
        self, project: str, *, prompt: str | None = None, model: str | None = None
    ) -> Iterator[records.Completion]:
        return self._server.pages(operations.COMPLETIONS, {"project": project}, prompt=prompt, model=model)

    def import_completions(
        self,
        project: str,
        rows: Source,
        *,
        queue: bool = True,
        k: int = 4,
        seed: int = 0,
        dry_run: bool = False,
    ) -> ImportReport:
        """Take in what outside models wrote, from a JSONL file or as CompletionRows. As import_prompts.

        With `queue`, each prompt that then has two completions and never was queued is queued to be ranked.
        So that none is left out, all rows are read first, and each prompt's are sent together.
        """
        options = {"queue": queue, "k": k, "seed": seed, "dry_run": dry_run}
        return batches.send_completions(self._server, project, rows, options)

    def items(
        self,
        project: str,
        *,
        kind: str | None = None,
        state: str | None = None,
        origin: str | None = None,
        needs_review: bool | None = None,
        prompt: str | None = None,
        purpose: str | None = None,
    ) -> Iterator[records.Item]:
        """The queue's items, with how many of the wanted answers they have."""
        return self._server.pages(
            operations.ITEMS,
            {"project": project},
            purpose=purpose,
            kind=kind,
            state=state,
            origin=origin,
            needs_review=needs_review,
            prompt=prompt,
        )

    # --- datasets ---

    def datasets(
        self, project: str, *, kind: str | None = None, state: str | None = None
    ) -> Iterator[records.Dataset]:
        return self._server.pages(operations.DATASETS, {"project": project}, kind=kind, state=state)

    def dataset(self, dataset: str) -> records.Dataset:
        return self._server.call(operations.DATASET, {"dataset": dataset})

    def freeze_dataset(self, project: str, kind: str) -> records.Freezing:
        """Ask for a version of what people wrote so far (sft, comparisons or prompts). Not repeated."""
        return self._server.call(operations.FREEZE_DATASET, {"project": project}, body={"kind": kind})

    def make_dataset(self, project: str, kind: str, *, patience: float = 300.0) -> records.Dataset:
        """Freeze what people wrote so far, and wait for the version.

        Raises TookTooLong after `patience` seconds: where nothing is new since the last version, none comes.
        What the error holds as `newest` is the id of that last one.
        """
        return datasets.make(self._server, project, kind, patience)

    def pull_dataset(self, dataset: str, to: str | Path) -> records.Dataset:
        """Download a version's rows as JSONL. The file is there once it is whole and has the right digest.

        Raises Damaged where the digest is another one.
        """
        with datasets.replacing(Path(to)) as file:
            return datasets.fetch(self._server, dataset, file)

    def dataset_rows(self, dataset: str) -> Iterator[dict[str, Any]]:
        """A version's rows, one by one, after all have been downloaded and their digest is right."""
        with tempfile.TemporaryFile() as file:
            datasets.fetch(self._server, dataset, file)
            file.seek(0)
            for line in file:
                yield json.loads(line)

    # --- runs, models and rounds ---

    def runs(
        self, project: str, *, stage: str | None = None, state: str | None = None, round: str | None = None
    ) -> Iterator[records.Run]:
        return self._server.pages(
            operations.RUNS, {"project": project}, stage=stage, state=state, round=round
        )

    def write_completions(
        self,
        project: str,
        *,
        server: str = "",
        prompts: Sequence[str] = (),
        count: int = 0,
        best_of: int = 1,
    ) -> records.Run:
        """Have the project's policy, or a server of the operator's, write for these prompts or for `count`.

        They are in the ranking queue once the run is done. Not repeated: after MaybeDone, look at the runs.
        """
        body = {"server": server, "prompts": list(prompts), "count": count, "best_of": best_of}
        return self._server.call(operations.WRITE_COMPLETIONS, {"project": project}, body=body)

    def run(self, run: str) -> records.RunWhole:
        return self._server.call(operations.RUN, {"run": run})

    def run_metrics(self, run: str, *, after: int | None = None) -> records.Metrics:
        """Up to 1000 lines that a run has measured, from the one after line `after`."""
        return self._server.call(operations.RUN_METRICS, {"run": run}, query={"after": after})

    def watch(self, run: str, *, every: float = 2.0) -> Iterator[Changed | Measured]:
        """New lines and new states of a run as they come, until it is over; asks `every` few seconds."""
        return watching.watch(self._server, run, every)

    def stop_run(self, run: str) -> records.Run:
        """Not repeated: after MaybeDone, look at the run."""
        return self._server.call(operations.STOP_RUN, {"run": run})

    def models(
        self, project: str, *, kind: str | None = None, run: str | None = None
    ) -> Iterator[records.Model]:
        return self._server.pages(operations.MODELS, {"project": project}, kind=kind, run=run)

    def model(self, model: str) -> records.ModelWhole:
        return self._server.call(operations.MODEL, {"model": model})

    def rounds(
        self, project: str, *, state: str | None = None, trigger: str | None = None
    ) -> Iterator[records.Round]:
        return self._server.pages(operations.ROUNDS, {"project": project}, state=state, trigger=trigger)

    def round(self, round: str) -> records.Round:
        return self._server.call(operations.ROUND, {"round": round})

    def start_round(self, project: str) -> records.Round:
        """Raises Conflict while one is open. Not repeated: after MaybeDone, look at the rounds."""
        return self._server.call(operations.START_ROUND, {"project": project})

    def stop_round(self, round: str) -> records.Round:
        """Not repeated: after MaybeDone, look at the round."""
        return self._server.call(operations.STOP_ROUND, {"round": round})

    def override_gate(self, round: str, reason: str) -> records.Round:
        """Let a round that a gate holds go on, on record. Not repeated."""
        return self._server.call(operations.OVERRIDE_GATE, {"round": round}, body={"reason": reason})
