"""A small world with an object behind every address, so that a fuzzed request gets further than 404."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from labeling.actions import (
    announcements,
    datasets,
    demonstrations,
    disputes,
    golds,
    guidelines,
    invitations,
    items,
    loop,
    queue,
    reviews,
    tokens,
    webhooks,
    written_prompts,
)
from labeling.actions.clock import Clock
from labeling.actions.golds import Right
from labeling.models import (
    CompletionOrigin,
    Delivery,
    Item,
    Kind,
    Membership,
    ModelVersion,
    Project,
    Purpose,
    Return,
    Role,
    Round,
    RoundStep,
    Trigger,
    User,
)
from tests import build, learn
from tests.pages import world


@dataclass
class Caller:
    """Somebody with a token, and the ids that their requests may name, by the name of the parameter."""

    user: User
    token: str
    ids: dict[str, list[str]] = field(default_factory=dict)


def made(folder: Path) -> dict[str, Caller]:
    """One caller in each role of two projects, and an operator who is a member of none."""
    ours, idle = learn.project("ours"), learn.project("idle")
    ann = build.member(ours, "ann")
    for each in (ours, idle):
        guidelines.write(each, "be so kind", base=0)
    build.rank_items(ours, 30, overlap=5)
    build.demonstrate_items(ours, 20, overlap=4)
    items.ask_for_prompts(ours, 20, kind="plain")
    learn.imported(ours, 3)
    learn.imported(idle, 2)
    learn.rank(ann, 2)
    model = world.sft_model(ours, folder)
    outside = ModelVersion.objects.create(project=ours, kind="outside", name="theirs")
    prompt = ours.prompts.order_by("pk")[0]
    for completion in prompt.completions.all():
        CompletionOrigin.objects.create(completion=completion, model=outside)
    version = datasets.freeze(ours, "comparisons")
    run = world.waiting("sft", {"dataset.jsonl": datasets.freeze(ours, "sft")})
    world.running(run, [{"step": step, "loss": 1 / step} for step in (1, 2, 3)])
    lead = build.member(ours, "a subscriber", Role.LEAD).user
    webhook = webhooks.subscribe(ours, "lab", ["run.failed"], actor=lead)
    given_up = announcements.ping(webhook)
    Delivery.objects.update(state=Delivery.State.FAILED, ended_at=Clock())
    shared = {
        "project": [ours.public_id, idle.public_id],
        "prompt": [prompt.public_id],
        "item": [prompt.items.get().public_id, _check(ours).public_id],
        "completion": list(prompt.completions.order_by("pk").values_list("public_id", flat=True)[:2]),
        "dataset": [version.public_id],
        "run": [run.public_id, model.run.public_id],
        "model": [model.public_id, outside.public_id],
        "round": [_held(ours).public_id],
        "webhook": [webhook.public_id],
        "delivery": [given_up.public_id],
        "member": [ann.user.public_id],
        "invitation": [invitations.invite(ours, Role.LABELER, by=ann.user)[0].public_id],
    }
    Item.objects.filter(pk__in=Item.objects.filter(project=ours, kind=Kind.RANK)[10:20]).update(
        needs_review=True
    )
    disputes.find()
    people = {
        str(role): (build.member(ours, str(role), role), build.member(idle, str(role), role)) for role in Role
    }
    callers = {}
    for name, (member, _idle) in people.items():
        callers[name] = _caller(member.user, {**shared, **_own(member)})
    for caller in (callers[Role.REVIEWER], callers[Role.LEAD]):
        for noun in ("ranking", "written_prompt", "returned"):
            caller.ids[noun] += callers[Role.LABELER].ids[noun]
    operator = User.objects.create(username="operator", is_staff=True)
    callers["operator"] = _caller(operator, {**callers[Role.LEAD].ids})
    return callers


def _caller(user: User, ids: dict[str, list[str]]) -> Caller:
    return Caller(user, tokens.create(user, "fuzz")[1], ids)


def _own(member: Membership) -> dict[str, list[str]]:
    """Answers of this labeler's, and an item of each kind before them."""
    ranking = learn.rank(member)[0]
    asked = queue.claim(member, Kind.DEMONSTRATE)
    assert asked is not None
    written = demonstrations.submit(asked, {"text": "so"}, build.key()).answer
    wanted = queue.claim(member, Kind.PROMPT)
    assert wanted is not None
    prompt = written_prompts.submit(wanted, build.PROMPT, build.key()).answer
    reviews_own = {"review": [_reviewed(member)]} if member.may(Role.REVIEWER) else {}
    kinds = [Kind.RANK, Kind.DEMONSTRATE, Kind.PROMPT, *([Kind.REVIEW] if reviews_own else [])]
    held = [queue.claim(member, kind) for kind in kinds]
    assert all(held)
    sent = Return.objects.create(
        project=member.project, ranking=ranking, labeler=member.user, reviewer=member.user, comment="Why?"
    )
    return {
        **reviews_own,
        "returned": [sent.public_id],
        "ranking": [ranking.public_id],
        "demonstration": [written.public_id],
        "written_prompt": [prompt.public_id],
        "assignment": [str(one.token) for one in held if one],
    }


def _reviewed(member: Membership) -> str:
    held = queue.claim(member, Kind.REVIEW)
    assert held is not None
    return reviews.submit(held, {"verdict": "accepted"}, build.key()).answer.public_id


def _check(project: Project) -> Item:
    """A gold of one item's prompt and completions."""
    item = Item.objects.filter(project=project, kind=Kind.RANK).order_by("-pk")[0]
    return golds.make_from(item, Purpose.GOLD, Right([1, 2, 3, 4])).item


def _held(project: Project) -> Round:
    """A round that a gate holds."""
    round = loop.start_round(project, Trigger.MANUAL)
    Round.objects.filter(pk=round.pk).update(state=Round.State.HELD, reason="too weak")
    RoundStep.objects.filter(round=round, name="gate").update(state=RoundStep.State.HELD)
    return round


RANKING = {"scores": {"A": 7, "B": 6, "C": 5, "D": 4}, "tiers": [["A"], ["B"], ["C"], ["D"]]}
BODIES: dict[str, dict[str, Any]] = {
    "set_workspace": {"part": "reading", "value": {"layout": "carousel"}},
    "next": {"kind": "rank"},
    "draft": {"sequence": 1, "body": {}},
    "skip": {"reason": "other"},
    "submit_ranking": RANKING,
    "revise_ranking": {**RANKING, "base": 1},
    "submit_demonstration": {"text": "so"},
    "revise_demonstration": {"text": "so it is", "base": 1},
    "submit_review": {"verdict": "accepted"},
    "revise_review": {"verdict": "accepted", "base": 1},
    "reply": {"reply": "because"},
    "close_return": {},
    "submit_written_prompt": build.PROMPT,
    "revise_written_prompt": {**build.PROMPT, "base": 1},
    "ask_for_prompts": {"count": 2, "kind": "plain"},
    "preview": {"text": "**so**"},
    "import_prompts": {"rows": [{"prompt": "why?", "completions": [{"model": "theirs", "text": "so"}]}]},
    "import_completions": {"rows": [{"prompt": "", "model": "theirs", "text": "because"}]},
    "write_completions": {"server": "lab", "count": 2},
    "freeze_dataset": {"kind": "prompts"},
    "override_gate": {"reason": "we know better"},
    "subscribe": {"receiver": "chat", "events": ["run.failed"]},
    "change_webhook": {"events": ["run.finished"], "active": False},
    "change_member": {"role": "reviewer", "languages": ["en"]},
    "set_active": {"is_active": False},
    "accept_guidelines": {"version": 1},
    "write_guidelines": {"base": 1, "text": "be kind", "binding": False, "note": ""},
    "write_rubric": {
        "base": 1,
        "flags": [
            {"key": "rude", "labels": {"en": "Rude"}, "help": {}, "required": True, "use_cases": ["chat"]}
        ],
        "scale_max": 7,
        "help": {"en": "7 is excellent"},
        "note": "",
    },
    "make_check": {
        "purpose": "gold",
        "right": [{"completion": "", "rank": 1}, {"completion": "", "rank": 2}],
    },
    "set_check_active": {"is_active": False},
    "invite": {"role": "labeler", "languages": ["en"], "note": "Ada", "days": 3},
}
"""A body that is taken, by operation."""
QUERIES = {"answers": {"kind": "rank"}}
"""The same of those that cannot do without a query."""
RECEIVERS = [
    {"id": id, "name": id.title(), "url": "http://127.0.0.1:9/", "secret": "s" * 32} for id in ("lab", "chat")
]
"""What the operator names: the project is subscribed to the first, and may be to the second."""
SERVERS = {
    "lab": {"id": "lab", "name": "Lab", "url": "http://127.0.0.1:9/v1", "model": "lab/large", "secret": ""}
}
"""What the operator lets write completions."""
