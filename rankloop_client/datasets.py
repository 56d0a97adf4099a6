"""Dataset versions: making one, and fetching its rows whole or not at all."""

from __future__ import annotations

import hashlib
import os
import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

import requests

from rankloop_client.errors import Damaged, TookTooLong
from rankloop_client.operations import DATASET, DATASET_ROWS, DATASETS, FREEZE_DATASET, ME
from rankloop_client.records import Dataset
from rankloop_client.server import Server, check, path_of

PART_BYTES = 2**20
FIRST_LOOK_SECONDS = 0.25
LONGEST_LOOK_SECONDS = 10.0


def make(server: Server, project: str, kind: str, patience: float) -> Dataset:
    """Ask for a version, then look, less and less often, for one by oneself after the newest before."""
    deadline = time.monotonic() + patience
    me = server.call(ME).user
    asked = server.call(FREEZE_DATASET, {"project": project}, body={"kind": kind})
    pause = FIRST_LOOK_SECONDS
    while True:
        for version in server.pages(DATASETS, {"project": project}, kind=kind, state="complete", limit=10):
            if version.dataset == asked.newest:
                break
            if version.created_by is not None and version.created_by.user == me:
                return version
        if time.monotonic() + pause > deadline:
            raise TookTooLong(
                f"No new version of {kind} after {patience:g} seconds: nothing is new since"
                f" {asked.newest or 'the beginning'}, or the workers are busy",
                more={"newest": asked.newest},
            )
        time.sleep(pause)
        pause = min(pause * 1.5, LONGEST_LOOK_SECONDS)


def fetch(server: Server, dataset: str, into: BinaryIO) -> Dataset:
    """Write a version's rows into a file. Raises Damaged if they are not what was frozen."""
    version = server.call(DATASET, {"dataset": dataset})

    def save(answer: requests.Response) -> str:
        check(answer)
        into.seek(0)
        into.truncate()  # what an earlier try left
        digest = hashlib.sha256()
        for part in answer.iter_content(PART_BYTES):
            digest.update(part)
            into.write(part)
        return digest.hexdigest()

    path = path_of(DATASET_ROWS.path, {"dataset": dataset})
    headers = {"Accept": "application/jsonl"}
    digest = server.exchange(DATASET_ROWS.method, path, save, headers=headers, stream=True)
    if digest != version.digest:
        raise Damaged(f"The rows of {dataset} came with the digest {digest}; {version.digest} was frozen")
    return version


@contextmanager
def replacing(path: Path) -> Iterator[BinaryIO]:
    """A new file that takes its place under `path` at the end, or leaves nothing behind."""
    part = path.with_name(f".{path.name}.{secrets.token_hex(4)}.part")
    try:
        with part.open("xb+") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)
