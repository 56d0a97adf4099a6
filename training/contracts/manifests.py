"""Manifests: the hash of every file of a folder, written last, and signed where that matters."""

from __future__ import annotations

import hashlib
import hmac
import json
import os
from pathlib import Path
from typing import Any

from training.contracts.strict import ContractError, read_json, write_json

MANIFEST = "manifest.json"


def write_manifest(folder: Path, key: bytes = b"") -> str:
    """Hash every file of `folder`, fsync, write manifest.json last; returns the manifest's SHA-256.

    With a key it is signed (HMAC-SHA256 over what it lists).
    """
    files: dict[str, dict[str, Any]] = {}
    for path in sorted(p for p in folder.rglob("*") if p.is_file() and p != folder / MANIFEST):
        with path.open("rb") as handle:
            digest = hashlib.file_digest(handle, "sha256").hexdigest()
            os.fsync(handle.fileno())
        files[path.relative_to(folder).as_posix()] = {"sha256": digest, "bytes": path.stat().st_size}
    signed = {"signature": _signature(files, key)} if key else {}
    write_json(folder / MANIFEST, {"files": files, **signed})
    return hashlib.sha256((folder / MANIFEST).read_bytes()).hexdigest()


def verify_manifest(folder: Path, key: bytes = b"") -> str:
    """Check every hash; returns the manifest's SHA-256. Raises ContractError naming the first bad file.

    With a key it must have been signed with that, which is checked before any file is looked at.
    """
    manifest = read_json(folder / MANIFEST)
    listed = manifest.get("files", {})
    if key and not hmac.compare_digest(str(manifest.get("signature")), _signature(listed, key)):
        raise ContractError(f"{MANIFEST}: not signed by this installation")
    present = {
        p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file() and p.name != MANIFEST
    }
    if unlisted := present - set(listed):
        raise ContractError(f"{sorted(unlisted)[0]}: not in the manifest")
    for name, entry in listed.items():
        path = folder / name
        if not path.is_file() or path.is_symlink() or not path.resolve().is_relative_to(folder.resolve()):
            raise ContractError(f"{name}: missing")
        with path.open("rb") as handle:
            if hashlib.file_digest(handle, "sha256").hexdigest() != entry["sha256"]:
                raise ContractError(f"{name}: its hash is not the manifest's")
    return hashlib.sha256((folder / MANIFEST).read_bytes()).hexdigest()


def sync_folder(folder: Path) -> None:
    """Make what was created or renamed in the folder last."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _signature(files: Any, key: bytes) -> str:
    listing = json.dumps(files, sort_keys=True, separators=(",", ":")).encode()
    return hmac.new(key, listing, hashlib.sha256).hexdigest()
