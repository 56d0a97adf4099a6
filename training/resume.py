"""Where a run is, kept on disk: a killed one goes on from there and ends as if nothing had happened.

    RUN_DIR/checkpoints/00000040/
      <part>.safetensors   a model's weights
      state.pt             optimizers, schedules and random numbers; read by torch's weights-only reader alone
      metrics.jsonl        as it was then
      position.json        the step, whose recipe it is, and plain values
      manifest.json        the hash of each file, signed (HMAC) with the key that the launcher passes

Of several processes the first writes, what is cut up among them whole; random numbers are each one's own.
A checkpoint is written beside its place, its manifest last, and then renamed: it is whole or not there. The
newest whose signature and every hash are right is taken; others are passed over, in a line each. Its files
are never written to again, so that another attempt's folder may hold links to them.
Without a key (a run by hand) nothing is kept: state from a disk that anybody could have written is not read.
"""

from __future__ import annotations

import os
import random
import shutil
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, cast

import torch
from safetensors.torch import load_file, load_model, save_file, save_model
from torch import Tensor, nn

from training import devices
from training.contracts import (
    CHECKPOINT_KEY,
    CHECKPOINTS,
    METRICS,
    ContractError,
    read_json,
    sync_folder,
    verify_manifest,
    write_json,
    write_manifest,
)

if TYPE_CHECKING:
    from training.stage import Run

KEPT = 2
"""How many checkpoints a run has on disk: the newest, and one for when that is damaged."""


class Stateful(Protocol):
    """An optimizer, a schedule, or anything of our own that says what it is made of."""

    def state_dict(self) -> dict[str, Any]: ...

    def load_state_dict(self, state_dict: dict[str, Any], /) -> Any: ...


Part = nn.Module | Stateful
Contents = tuple[dict[str, nn.Module | dict[str, Tensor]], dict[str, Any]]


class Checkpoints:
    """A run's checkpoints: where it goes on from, and where it is kept.

    `step` is the last one that is done, 0 at the beginning of a run; `values` are what was kept with it.
    """

    def __init__(self, run: Run) -> None:
        """Find the newest that is whole, and bring the metrics back to what had been logged by then."""
        self.run, self.folder = run, run.directory / CHECKPOINTS
        self.key = bytes.fromhex(os.environ.get(CHECKPOINT_KEY, ""))
        self.step, self.values = 0, cast(dict[str, Any], {})
        self._newest = run.group.agree(self._find() if self.key and run.group.leads else None)
        if self._newest is None:
            run.begin_metrics()
        else:
            position = read_json(self._newest / "position.json")
            self.step, self.values = position["step"], position["values"]
            run.begin_metrics(self._newest / METRICS, position["elapsed"])
            print(f"Going on after step {self.step}.", file=sys.stderr)
        self._kept_at = time.monotonic()

    def load(self, parts: Mapping[str, Part]) -> None:
        """Bring models, optimizers and random numbers to where they were; at the beginning they stay."""
        if self._newest is None:
            return
        state = torch.load(self._newest / "state.pt", map_location="cpu", weights_only=True)
        for name, part in parts.items():
            if not isinstance(part, nn.Module):
                part.load_state_dict(state["parts"][name])
                if isinstance(part, torch.optim.Optimizer):
                    devices.shard_state(part)
            elif devices.is_sharded(part):
                devices.load_weights(part, load_file(self._newest / f"{name}.safetensors"))
            else:
                load_model(part, self._newest / f"{name}.safetensors", device=str(_device_of(part)))
        own = state["random"][self.run.group.rank]
        torch.set_rng_state(own["torch"])
        if torch.cuda.is_available() and own["cuda"] is not None:
            torch.cuda.set_rng_state(own["cuda"])
        version, numbers, gauss = state["python"]
        random.setstate((version, tuple(numbers), gauss))

    def keep(self, step: int, parts: Mapping[str, Part], **values: Any) -> None:
        """Write a checkpoint of the step that was just done, if one is due. `values` are JSON.

        Every process must call it; whether one is due is for the first to say.
        """
        due = time.monotonic() - self._kept_at >= self.run.config.checkpoint_seconds
        if not self.key or not self.run.group.agree(due):
            return
        contents = self._contents(parts)
        if self.run.group.leads:
            self._keep(step, contents, values)
        self._kept_at = time.monotonic()

    def _keep(self, step: int, contents: Contents, values: Mapping[str, Any]) -> None:
        place = self.folder / f"{step:08d}"
        beside = place.with_suffix(".tmp")
        shutil.rmtree(beside, ignore_errors=True)
        beside.mkdir(parents=True)
        try:
            self._write(beside, step, contents, values)
            shutil.rmtree(place, ignore_errors=True)
            beside.rename(place)
        except BaseException:
            shutil.rmtree(beside, ignore_errors=True)
            raise
        sync_folder(self.folder)
        for old in self._places()[KEPT:]:
            shutil.rmtree(old, ignore_errors=True)

    def _contents(self, parts: Mapping[str, Part]) -> Contents:
        """Models, and the state of all else; what is cut up among the processes is put together."""
        models: dict[str, nn.Module | dict[str, Tensor]] = {}
        states: dict[str, Any] = {}
        for name, part in parts.items():
            if isinstance(part, nn.Module):
                models[name] = devices.whole_weights(part) if devices.is_sharded(part) else part
            else:
                states[name] = devices.whole_state(part.state_dict())
        version, numbers, gauss = random.getstate()
        own = {
            "torch": torch.get_rng_state(),
            "cuda": torch.cuda.get_rng_state() if torch.cuda.is_available() else None,
        }
        state = {
            "parts": states,
            "random": self.run.group.gather(own),
            "python": (version, list(numbers), gauss),
        }
        return models, state

    def _write(self, folder: Path, step: int, contents: Contents, values: Mapping[str, Any]) -> None:
        models, state = contents
        for name, model in models.items():
            path = folder / f"{name}.safetensors"
            if isinstance(model, dict):
                save_file(model, path)
            else:
                save_model(model, str(path))
        # Through a file of Python's: its errors tell that the disk is full, torch's own do not.
        with (folder / "state.pt").open("wb") as file:
            torch.save(state, file)
        shutil.copyfile(self.run.metrics, folder / METRICS)
        position = {
            "step": step,
            "recipe": self.run.config.recipe(),
            "elapsed": self.run.elapsed(),
            "values": values,
        }
        write_json(folder / "position.json", position)
        write_manifest(folder, self.key)

    def _places(self) -> list[Path]:
        """Newest first."""
        return sorted((path for path in self.folder.glob("*") if path.name.isdigit()), reverse=True)

    def _find(self) -> Path | None:
        for place in self._places():
            try:
                verify_manifest(place, self.key)
                position = read_json(place / "position.json")
                if position["recipe"] != self.run.config.recipe():
                    raise ContractError("of another recipe")
            except (ContractError, OSError) as error:
                print(f"Checkpoint {place.name} is passed over: {error}", file=sys.stderr)
            else:
                return place
        return None


def _device_of(module: nn.Module) -> torch.device:
    return next(module.parameters()).device
