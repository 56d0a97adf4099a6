"""The processes that train one model together: one a device, on one host or on several.

torchrun starts them and tells each its place (RANK, WORLD_SIZE, LOCAL_RANK); without it there is one process,
and nothing here does anything. All read the same run folder and walk through the same batches, of which each
takes its share; a loss is divided by what the *whole* batch holds, so that many processes take the very steps
of one. Only the first writes. Two strategies:

    ddp    every process has the whole model, and gradients are averaged (DistributedDataParallel)
    fsdp   weights, gradients and optimizer are cut up among the processes (FSDP2, `fully_shard`)
"""

from __future__ import annotations

import copy
import ctypes
import os
import signal
import sys
from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import timedelta
from typing import Any, TypeVar, cast

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import fully_shard
from torch.distributed.tensor import DTensor, distribute_tensor
from torch.nn.parallel import DistributedDataParallel

from training.contracts import ContractError, Resources

T = TypeVar("T")

PATIENCE = timedelta(hours=6)
"""How long a process waits for the others, who may have to wait for the first to write a checkpoint. One that
dies is noticed at once, by torchrun."""
PR_SET_PDEATHSIG = 1


class Done(Exception):
    """The first process goes on alone: this one has nothing left to do."""


class Group:
    """The processes of a run, as one of them sees them: `rank` is its number, `size` how many there are."""

    def __init__(self, resources: Resources, device: str) -> None:
        """Meet the others. Raises ContractError if they are not as many as the run asks for, or if there is
        no such device."""
        self.strategy = resources.strategy
        self.rank, self.size = int(os.environ.get("RANK", "0")), int(os.environ.get("WORLD_SIZE", "1"))
        wanted = resources.processes * resources.hosts
        if self.size != wanted:
            raise ContractError(
                f"resources: {wanted} processes are wanted, and this was started as {self.size}"
            )
        self.device = _device(device, int(os.environ.get("LOCAL_RANK", "0")))
        if self.size > 1:
            backend = "nccl" if self.device.type == "cuda" else "gloo"
            dist.init_process_group(backend, timeout=PATIENCE)
            # Never destroyed: DDP would be the last to hold it, and its destructor waits, with Python's lock
            # in hand, for a thread that may be waiting for that very lock.
            ctypes.pythonapi.Py_IncRef(ctypes.py_object(dist.group.WORLD))

    @property
    def leads(self) -> bool:
        """Whether this process is the one that writes."""
        return self.rank == 0

    def parts(self, batch: Sequence[T], size: int = 0) -> list[tuple[list[T], int]]:
        """This process's share of a batch, in parts of at most `size` (0: one), and how many of each count.

        Every process has as many parts, since all must meet in each pass: whoever has nothing left takes a
        stand-in that counts 0.
        """
        shares = [list(batch[rank :: self.size]) for rank in range(self.size)]
        size = size or max(1, len(shares[0]))
        own = shares[self.rank]
        parts = []
        for start in range(0, len(shares[0]), size):
            part = own[start : start + size]
            parts.append((part, len(part)) if part else ([batch[0]], 0))
        return parts

    def sum(self, *values: float) -> list[float]:
        """Each value, added up over the processes."""
        if self.size == 1:
            return list(values)
        total = torch.tensor(values, dtype=torch.float64, device=self.device)
        dist.all_reduce(total)
        return cast(list[float], total.tolist())

    def agree(self, value: T) -> T:
        """The first process's value, in all of them."""
        if self.size == 1:
            return value
        values = [value]
        dist.broadcast_object_list(values, src=0, device=self.device)
        return values[0]

    def gather(self, value: T) -> list[T]:
        """Every process's value, by rank."""
        if self.size == 1:
            return [value]
        values: list[Any] = [None] * self.size
        dist.all_gather_object(values, value)
        return values

    def wait(self) -> None:
        """Until all are here."""
        if self.size > 1:
            self.sum(0.0)

    def spread(self, model: nn.Module, layers: Collection[str] = ()) -> Spread:
        """The model on the devices of all; `layers` are the classes that FSDP gathers one at a time.

        Weights must be alike in all processes. Random numbers, which dropout draws, differ from here on.
        """
        if self.size > 1:
            torch.manual_seed(torch.initial_seed() + self.rank)
        return Spread(self, model, layers)

    def end(self) -> None:
        """Training is over. Raises Done in all processes but the first, which is alone from here on."""
        if self.size == 1:
            return
        self.wait()
        self.leave()
        if not self.leads:
            raise Done
        self.size = 1

    def leave(self) -> None:
        if dist.is_initialized():
            dist.destroy_process_group()


class Spread:
    """A model that all processes train together.

    A function of the model is called as `spread(function, *given)`, for `function(model, *given)`: DDP and
    FSDP must see where each pass through the model begins. `loss` is what to call `backward` on.
    """

    def __init__(self, group: Group, model: nn.Module, layers: Collection[str]) -> None:
        self.group, self.model = group, model
        self._through: nn.Module | None = None
        self._plain: nn.Module | None = None
        if group.size == 1:
            return
        if group.strategy == "fsdp":
            self._plain = _without_weights(model)
            self._through = _Through(model)
            _shard(self._through, group, layers)
        else:
            self._through = DistributedDataParallel(_Through(model), gradient_as_bucket_view=True)

    def __call__(self, function: Callable[..., T], *given: Any) -> T:
        if self._through is None:
            return function(self.model, *given)
        return cast(T, self._through(function, *given))

    def backward(self, loss: Tensor) -> None:
        """Add the gradients of this process's part of the whole loss to those of the others.

        Both strategies average where the whole wants the sum.
        """
        (loss * self.group.size).backward()

    @torch.no_grad()
    def whole(self) -> nn.Module:
        """The trained model as a plain one, in the first process; the others' is of no use.

        Under FSDP it must fit on the first process's device.
        """
        if self._plain is None:
            return self.model
        found: dict[int, nn.Parameter] = {}
        for given, empty in zip(self.model.parameters(), self._plain.parameters(), strict=True):
            weight = full(given.detach())
            if self.group.leads:
                found[id(empty)] = nn.Parameter(weight, given.requires_grad)
        if not found:
            return self.model
        for module in self._plain.modules():
            for name, meta in module._parameters.items():
                if meta is not None:
                    module._parameters[name] = found[id(meta)]
        return self._plain.train(self.model.training)


class _Through(nn.Module):
    """Any function of a model as a module's forward pass."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, function: Callable[..., Any], *given: Any) -> Any:
        return function(self.model, *given)


def _shard(root: nn.Module, group: Group, layers: Collection[str]) -> None:
    mesh = init_device_mesh(group.device.type, (group.size,))
    # A single number cannot be cut up: each process has it, and its gradient is averaged as it comes in.
    numbers = {parameter for parameter in root.parameters() if not parameter.ndim}
    for number in numbers:
        number.register_post_accumulate_grad_hook(_average)
    for module in list(root.modules()):
        if type(module).__name__ in layers:
            fully_shard(module, mesh=mesh)
    # Not even the outermost layers stay whole after a pass: one that no backward pass follows, as in
    # measuring, would leave them so for a checkpoint to find.
    fully_shard(root, mesh=mesh, ignored_params=numbers, reshard_after_forward=True)


def _average(parameter: Tensor) -> None:
    assert parameter.grad is not None
    dist.all_reduce(parameter.grad)
    parameter.grad /= dist.get_world_size()


def _without_weights(model: nn.Module) -> nn.Module:
    """A copy whose parameters take no memory; those that are tied are tied there too."""
    empty = {
        id(p): nn.Parameter(torch.empty_like(p, device="meta"), p.requires_grad) for p in model.parameters()
    }
    return copy.deepcopy(model, cast(dict[int, Any], empty))


# --- states, for checkpoints: whole on the disk, whoever holds which part of them ----------------------


def is_sharded(model: nn.Module) -> bool:
    return any(isinstance(parameter, DTensor) for parameter in model.parameters())


def whole_weights(model: nn.Module) -> dict[str, Tensor]:
    """The weights and buffers of a sharded model by name, a tied weight under its first name alone.

    Every process must ask; the tensors are on the CPU.
    """
    named = dict(model.named_parameters()) | dict(model.named_buffers())
    kept = model.state_dict().keys()
    return {name: full(tensor.detach()).cpu().contiguous() for name, tensor in named.items() if name in kept}


@torch.no_grad()
def load_weights(model: nn.Module, weights: Mapping[str, Tensor]) -> None:
    """Bring a sharded model to what `whole_weights` found."""
    named = dict(model.named_parameters()) | dict(model.named_buffers())
    for name, weight in weights.items():
        named[name].copy_(part(weight, named[name]))


def whole_state(value: Any) -> Any:
    """An optimizer's state, or any other, with every sharded tensor whole. Every process must ask."""
    if isinstance(value, Tensor):
        return full(value)
    if isinstance(value, dict):
        return {name: whole_state(each) for name, each in value.items()}
    return [whole_state(each) for each in value] if isinstance(value, list) else value


def shard_state(optimizer: torch.optim.Optimizer) -> None:
    """Cut up what a checkpoint has loaded whole into the optimizer, as its parameters are."""
    for parameter, state in optimizer.state.items():
        for name, value in state.items():
            if isinstance(value, Tensor) and value.shape == parameter.shape:
                state[name] = part(value, parameter)


def full(tensor: Tensor) -> Tensor:
    """A tensor whole, where it is cut up among the processes, all of which must ask."""
    return tensor.full_tensor() if isinstance(tensor, DTensor) else tensor


def part(whole: Tensor, like: Tensor) -> Tensor:
    """Of a whole tensor what this process has, if `like` is cut up."""
    if not isinstance(like, DTensor):
        return whole.to(like.device)
    return distribute_tensor(whole.to(like.device), like.device_mesh, like.placements, src_data_rank=None)


# --- one process -------------------------------------------------------------------------------------


def leads() -> bool:
    """Whether this process is the first of its run, or the only one."""
    return os.environ.get("RANK", "0") == "0"


def die_with_torchrun() -> None:
    """On Linux, end with the torchrun that started this process, however that one ends.

    It starts us in a session of our own, where no signal to its process group arrives.
    """
    if "TORCHELASTIC_RUN_ID" in os.environ and sys.platform == "linux":
        parent = os.getppid()
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, int(signal.SIGKILL), 0, 0, 0)
        if parent == 1 or os.getppid() != parent:  # it died before the kernel had been told
            os._exit(1)


def _device(name: str, local_rank: int) -> torch.device:
    """The device of a name, of several GPUs the one that is this process's. Raises ContractError."""
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    if name == "cuda" and "LOCAL_RANK" in os.environ:
        name = f"cuda:{local_rank}"
    try:
        device = torch.empty(0, device=name).device
    except (RuntimeError, AssertionError) as error:
        raise ContractError(f"device: {name!r} is not available here") from error
    if device.type == "cuda":
        torch.cuda.set_device(device)
    return device
