"""With what a run is trained: processes on hosts, by names that the operator has given (RANKLOOP_RESOURCES).

A lead chooses a name for each stage in the loop policy; a run keeps the name, and what it stands for is
looked up when the run is announced and when it begins. A run without one is a single process on any worker
of the queue "train".
"""

from __future__ import annotations

from dataclasses import dataclass, field

from django.conf import settings
from django.utils.translation import gettext as _

from labeling.actions.errors import BadInput
from labeling.environment import TRAIN_QUEUE
from labeling.models import LoopPolicy, Run
from training.contracts import STAGES, ContractError, Resources


@dataclass(frozen=True)
class Offer:
    """What a name stands for: the Celery queue of its runs, their processes, and how several hosts meet."""

    queue: str = TRAIN_QUEUE
    resources: Resources = field(default_factory=Resources)
    launch: tuple[str, ...] = ()
    """The program, with its arguments, that runs what follows it once on each host."""
    rendezvous: str = ""
    """host:port, on one of the hosts."""


def offer(name: str) -> Offer:
    """What the operator offers by this name. Raises BadInput if that is nothing."""
    if not name:
        return Offer()
    spec = settings.RESOURCES.get(name)
    if spec is None:
        names = ", ".join(sorted(settings.RESOURCES)) or "-"
        raise BadInput(
            _("The operator offers no resources %(name)s; there are: %(names)s.")
            % {"name": ascii(name), "names": names},
            field="resources",
        )
    resources = Resources(spec["processes"], spec["hosts"], spec["strategy"])
    return Offer(spec["queue"], resources, tuple(spec["launch"]), spec["rendezvous"])


def queue_of(run_id: int) -> str:
    """The queue of a run. What nobody offers any more goes to any worker, which ends the run saying so."""
    name = Run.objects.values_list("resources", flat=True).get(pk=run_id)
    return str(settings.RESOURCES.get(name, {}).get("queue", TRAIN_QUEUE))


def chosen(policy: LoopPolicy, stage: str) -> str:
    """The name that the policy gives a stage's resources; empty for none."""
    return str(policy.resources.get(stage, ""))


def check(policy: LoopPolicy) -> None:
    """Raises BadInput if a stage's resources are not offered, or cannot be what the stage is trained with."""
    if not isinstance(policy.resources, dict):
        raise BadInput(_("An object of names by stage is wanted."), field="resources")
    for stage, name in policy.resources.items():
        if stage not in STAGES or not isinstance(name, str):
            sentence = _("%(stage)s is no stage; there are %(stages)s.")
            values = {"stage": ascii(stage), "stages": ", ".join(STAGES)}
            raise BadInput(sentence % values, field="resources")
        try:
            offer(name).resources.check(stage)
        except ContractError as error:
            raise BadInput(str(error), field="resources") from error
