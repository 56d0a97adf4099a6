"""Every address × every role × one's own and other people's objects, by the one table in doors.py."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver, reverse

from labeling.actions import (
    announcements,
    datasets,
    demonstrations,
    disputes,
    invitations,
    items,
    loop,
    queue,
    rankings,
    reviews,
    tokens,
    webhooks,
    written_prompts,
)
from labeling.api.base import View
from labeling.doors import DOORS
from labeling.models import (
    Assignment,
    Item,
    Kind,
    LoopPolicy,
    ModelVersion,
    Return,
    Review,
    Role,
    Trigger,
    User,
)
from tests import build, learn
from tests.pages import world

pytestmark = pytest.mark.django_db

OIDC = {
    "id": "nowhere",
    "name": "Nowhere",
    "server_url": "http://127.0.0.1:9",
    "client_id": "us",
    "secret": "secret",
}
"""A provider that never answers: the doors before it can be tried all the same."""
RECEIVER = {"id": "nowhere", "name": "Nowhere", "url": "http://127.0.0.1:9/", "secret": "s" * 32}
ROLES = [Role.LABELER, Role.REVIEWER, Role.LEAD]


def addresses(patterns: list[Any], namespace: str = "") -> Iterator[tuple[str, URLPattern]]:
    for pattern in patterns:
        if isinstance(pattern, URLResolver):
            inner = f"{namespace}{pattern.namespace}:" if pattern.namespace else namespace
            yield from addresses(pattern.url_patterns, inner)
        else:
            yield f"{namespace}{pattern.name}", pattern


ADDRESSES = dict(addresses(get_resolver().url_patterns))
ENDS = {"account_logout"}
"""Going through it signs out and so would end the walk."""
OURS = sorted(name for name in ADDRESSES if not name.startswith("admin:"))


@pytest.fixture
def objects(settings, tmp_path) -> dict[str, dict[str, str]]:
    """By noun, the public id of an object of the project, for addresses to name; `by` says whose it is."""
    settings.ARTIFACTS = tmp_path / "artifacts"
    project = build.project("ours")
    LoopPolicy.objects.create(project=project)
    build.project("theirs")
    ann = build.member(project, "ann")
    build.rank_items(project, 1)
    build.demonstrate_items(project, 2)
    held = queue.claim(ann, Kind.RANK)
    assert held is not None
    ranking = rankings.submit(held, build.answer(held), build.key()).answer
    write = queue.claim(ann, Kind.DEMONSTRATE)
    assert write is not None
    written = demonstrations.submit(write, {"text": "so"}, build.key()).answer
    writing = queue.claim(ann, Kind.DEMONSTRATE)
    build.rank_items(project, 1)
    ranking_now = queue.claim(ann, Kind.RANK)
    items.ask_for_prompts(project, 2, kind="plain")
    asked = queue.claim(ann, Kind.PROMPT)
    assert asked is not None
    prompt = written_prompts.submit(asked, build.PROMPT, build.key()).answer
    writing_prompt = queue.claim(ann, Kind.PROMPT)
    assert writing_prompt is not None
    assert writing is not None
    assert ranking_now is not None
    review, returned, to_review = reviewed(project)
    learn.imported(project, 3)
    version = datasets.freeze(project, "sft")
    run = world.waiting("sft", {"dataset.jsonl": version})
    round = loop.start_round(project, Trigger.MANUAL)
    invited_by = build.member(project, "an inviting lead", Role.LEAD).user
    invitation, link = invitations.invite(project, Role.LABELER, by=invited_by)
    invitations.revoke(invitation, actor=invited_by)  # so that walking through the door takes nobody in
    settings.OIDC = [OIDC]
    settings.WEBHOOKS = [RECEIVER]
    webhook = webhooks.subscribe(project, RECEIVER["id"], ["run.failed"], actor=invited_by)
    delivery = announcements.ping(webhook)
    model = ModelVersion.objects.create(project=project, kind="outside", name="theirs")
    token, _secret = tokens.create(ann.user, "a script")
    return {
        "project": project.public_id,
        "assignment": str(ranking_now.token),
        "assignment to demonstrate": str(writing.token),
        "assignment to write": str(writing_prompt.token),
        "written_prompt": prompt.public_id,
        "ranking": ranking.public_id,
        "demonstration": written.public_id,
        "review": review.public_id,
        "returned": returned.public_id,
        "assignment to review": str(to_review.token),
        "dataset": version.public_id,
        "run": run.public_id,
        "round": round.public_id,
        "invitation": invitation.public_id,
        "link": link,
        "provider_id": OIDC["id"],
        "uidb36": "1",
        "key": "no-key",
        "model": model.public_id,
        "prompt": ranking.item.prompt.public_id,
        "item": ranking.item.public_id,
        "token": token.public_id,
        "webhook": webhook.public_id,
        "delivery": delivery.public_id,
        "member": invited_by.public_id,
    }  # type: ignore[dict-item]


def reviewed(project: Any) -> tuple[Review, Return, Assignment]:
    """Of ann, for once a reviewer: a review, something sent back to her by another, and a review begun."""
    Item.objects.filter(project=project, kind=Kind.DEMONSTRATE).update(needs_review=True)
    build.rank_items(project, 2, k=2)
    Item.objects.filter(project=project, kind=Kind.RANK, k=2).update(needs_review=True)
    disputes.find()
    ann = project.memberships.get(user__username="ann")
    ann.role = Role.REVIEWER
    ann.save()
    held = queue.claim(ann, Kind.REVIEW)
    assert held is not None
    review = reviews.submit(held, {"verdict": "accepted"}, build.key()).answer
    begun = queue.claim(ann, Kind.REVIEW)
    assert begun is not None
    ann.role = Role.LABELER
    ann.save()
    other = build.member(project, "another reviewer", Role.REVIEWER).user
    returned = Return.objects.create(
        project=project, ranking=ann.user.rankings.get(), labeler=ann.user, reviewer=other, comment="Why?"
    )
    return review, returned, begun  # type: ignore[return-value]


def people() -> dict[str, Client]:
    """A member in each role, the lead of another project, an operator who is no member, and nobody."""
    from labeling.models import Project

    ours, theirs = Project.objects.get(slug="ours"), Project.objects.get(slug="theirs")
    found = {str(role): build.member(ours, f"a {role}", role).user for role in ROLES}
    found["stranger"] = build.member(theirs, "a stranger", Role.LEAD).user
    found["operator"] = User.objects.create(username="an operator", is_staff=True)
    former = build.member(ours, "a former lead", Role.LEAD)
    former.is_active = False
    former.save()
    found["former lead"] = former.user
    found["owner"] = User.objects.get(username="ann")
    return {"nobody": Client(), **{name: world.signed_in(user) for name, user in found.items()}}


def refused(name: str, who: str, client: Client, objects: dict[str, str], wanted: set[int]) -> list[Any]:
    """What was wrong with the answers at an address: refusals where none is wanted, or other ones."""
    named = {word: objects[word] for word in ADDRESSES[name].pattern.regex.groupindex}
    if name == "api:submit-demonstration":
        named["assignment"] = objects["assignment to demonstrate"]
    if name == "api:submit-written-prompt":
        named["assignment"] = objects["assignment to write"]
    if name == "api:submit-review":
        named["assignment"] = objects["assignment to review"]
    address = reverse(name, kwargs=named)
    wrong = []
    for answer in (client.get(address), client.post(address, content_type="application/json")):
        status = answer.status_code
        to_sign_in = status == 302 and answer["Location"].startswith("/sign-in/?next=")
        if status not in wanted if wanted else status in (401, 403, 404) or to_sign_in:
            wrong.append((name, who, answer.request["REQUEST_METHOD"], status))
    return wrong


def expected(name: str, who: str) -> set[int]:
    """The statuses with which this person is refused; empty where they may enter."""
    door = DOORS[name]
    if door.who == "anyone":
        return set()
    if who == "nobody":
        return {401} if name.startswith("api:") else {302}
    if door.who == "person":
        return set()
    if door.who == "own":
        return set() if who == "owner" else {404}
    role = Role.LABELER if who == "owner" else who
    if role not in ROLES:
        return {404}
    assert door.role is not None
    return set() if ROLES.index(Role(role)) >= ROLES.index(door.role) else {403}


def test_every_address_has_a_line_and_every_line_an_address():
    assert [name for name in OURS if name not in DOORS] == []
    assert [name for name in DOORS if name not in ADDRESSES and name != "admin:"] == []


def test_every_view_of_the_api_asks_the_door():
    views = [ADDRESSES[name].callback.cls for name in OURS if name.startswith("api:")]
    assert all(
        issubclass(view, View) and view.permission_classes == View.permission_classes for view in views
    )


def test_an_address_without_a_line_is_shut(monkeypatch):
    monkeypatch.delitem(DOORS, "home")
    assert world.signed_in(User.objects.create(username="ann")).get("/").status_code == 403


@pytest.mark.django_db(transaction=True)
def test_each_address_lets_in_whom_its_line_names_and_nobody_else(objects):
    everybody = people()
    wrong = []
    for name in [name for name in OURS if name not in ENDS]:
        for who, client in everybody.items():
            wrong += refused(name, who, client, objects, expected(name, who))
    assert wrong == []


@pytest.mark.django_db(transaction=True)
def test_what_was_ones_own_in_a_project_is_shut_to_who_is_no_member_any_more(objects):
    owner = User.objects.get(username="ann")
    owner.memberships.update(is_active=False)
    names = [name for name in OURS if DOORS[name].who == "own" and DOORS[name].noun != "token"]
    assert len(names) == 17
    client, wrong = world.signed_in(owner), []
    for name in names:
        wrong += refused(name, "former owner", client, objects, {404})
    assert wrong == []


@pytest.mark.django_db(transaction=True)
def test_the_operators_site_is_for_operators(objects):
    everybody = people()
    names = [name for name in ADDRESSES if name.startswith("admin:") and name != "admin:None"]
    assert len(names) > 50
    wrong = []
    for name in names:
        place = "labeling" if name == "admin:app_list" else "1"
        address = reverse(name, args=[place] * ADDRESSES[name].pattern.regex.groups)
        for who in ("nobody", "lead", "former lead", "stranger"):
            answer = everybody[who].get(address)
            signs_in = answer.status_code == 302 and answer["Location"].startswith("/sign-in/?next=")
            if answer.status_code != 403 and not signs_in:
                wrong.append((name, who, answer.status_code))
    assert wrong == []
