"""Reviewing in Chromium: by keys alone, in the dark, on a phone, in Chinese; and what was sent back."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from playwright.sync_api import expect

from labeling.actions import demonstrations, disputes, queue, rankings, reviewed, reviews
from labeling.models import (
    Assignment,
    Demonstration,
    Item,
    Kind,
    QualityPolicy,
    Ranking,
    Return,
    Review,
    ReviewRevision,
    Role,
)
from tests import build
from tests.browser.conftest import sign_in
from tests.browser.test_hostile import HOSTILE
from tests.browser.test_look import findings, fits

BEST_FIRST = {
    "scores": {"A": 7, "B": 5, "C": 5},
    "tiers": [["A"], ["B", "C"]],
    "tied": ["B", "C"],
    "comment": "A is clear.",
}
WORST_FIRST = {
    "scores": {"A": 2, "B": 3, "C": 6},
    "tiers": [["C"], ["B"], ["A"]],
    "flags": {"A": ["hallucination"]},
}


def made() -> None:
    disputes.find(settled=timedelta())


@pytest.fixture
def reviewer(desk):
    desk.membership.role = Role.REVIEWER
    desk.membership.save()
    return desk


def dispute(project: Any, *bodies: Any) -> Item:
    """An item that labelers have answered so; letters are the item's positions to each of them."""
    (item,) = build.rank_items(project, 1, k=3, overlap=len(bodies))
    for number, body in enumerate(bodies):
        member = project.memberships.filter(user__username=f"wang {number}").first()
        held = queue.claim(member or build.member(project, f"wang {number}"), Kind.RANK)
        Assignment.objects.filter(pk=held.pk).update(shown_order=[0, 1, 2])
        rankings.submit(held, body, build.key())
    made()
    return item


def demonstration(project: Any, text: str = "It is small and it runs on two cores.") -> Demonstration:
    QualityPolicy.objects.update_or_create(project=project, defaults={"review_demonstrations": 1.0})
    build.demonstrate_items(project, 1)
    held = queue.claim(build.member(project, "dora"), Kind.DEMONSTRATE)
    written = demonstrations.submit(held, {"text": text}, build.key()).answer
    made()
    return written


def latest() -> ReviewRevision:
    return ReviewRevision.objects.latest("pk")


def test_an_answer_is_adopted_by_one_key_changed_and_submitted(reviewer, until):
    dispute(reviewer.project, BEST_FIRST, WORST_FIRST)
    page = reviewer.open("review")
    expect(page.locator("#reason")).to_have_text("Labelers order them differently")
    held = Assignment.objects.get(kind=Kind.REVIEW)
    first = reviewed.look(held).about["answers"][0]
    reviewer.press("q")
    expect(page.locator("#live")).to_have_text("Scores and order of labeler 1 are yours now.")
    best = first["tiers"][0][0]
    mine = page.locator("#compare-table tbody tr").nth("ABC".index(best)).locator("td.mine")
    expect(mine).to_contain_text("No. 1")
    last = first["tiers"][-1][-1]
    reviewer.press(last, "[", "[", "[", "Enter")
    until(lambda: Review.objects.count() == 1)
    order = reviewed.letter_order(held, 3)
    stored = latest()
    assert stored.ranks[order["ABC".index(last)]] == 1
    assert {stored.scores[order["ABC".index(letter)]] for letter in "ABC"} == set(first["scores"].values())


def test_where_answers_differ_is_marked_and_said_and_nothing_tells_who_gave_them(reviewer):
    dispute(reviewer.project, BEST_FIRST, WORST_FIRST)
    page = reviewer.open("review")
    rows = page.locator("#compare-table tbody tr")
    expect(rows.filter(has_text="They differ in: place")).to_have_count(2)  # the third is second to both
    expect(page.locator("#compare-table")).to_contain_text("Hallucination")
    expect(page.locator("#compare-table")).to_contain_text("A is clear.")
    source = page.content()
    for answer in Ranking.objects.select_related("labeler"):
        assert answer.public_id not in source
        assert answer.labeler.public_id not in source
        assert answer.labeler.username not in source


def test_an_item_is_scored_and_ordered_by_keys_and_an_answer_sent_back(reviewer, until):
    dispute(reviewer.project, BEST_FIRST, WORST_FIRST)
    page = reviewer.open("review")
    reviewer.press("a", "7", "4", "4")
    expect(page.locator("#submit-reason")).to_contain_text("B and C are equal")
    reviewer.press("=")
    page.get_by_role("button", name="Send the answer back to labeler 2").click()
    expect(page.locator("#submit-reason")).to_have_text("Say why the answer goes back to labeler 2.")
    page.keyboard.type("Please read C again.")
    reviewer.press("Control+Enter")
    until(lambda: Return.objects.count() == 1)
    sent = Return.objects.get()
    held = Assignment.objects.get(kind=Kind.REVIEW)
    assert sent.ranking == reviewed.answers(held)[1]
    assert sent.comment == "Please read C again."


def test_undo_takes_back_what_was_sent(reviewer, until):
    dispute(reviewer.project, BEST_FIRST, WORST_FIRST)
    page = reviewer.open("review")
    page.get_by_role("button", name="Send the answer back to labeler 1").click()
    page.keyboard.type("Why?")
    page.get_by_role("radio", name="Leave it as it is").check()
    page.get_by_role("button", name="Submit").click()
    until(lambda: Return.objects.filter(state="open").count() == 1)
    page.get_by_role("button", name="Undo").click()
    page.get_by_role("button", name="Send the answer back to labeler 1").click()
    page.get_by_role("button", name="Submit").click()
    until(lambda: latest().number == 2)
    assert Return.objects.get().state == "closed"


def test_a_text_is_edited_with_its_changes_shown_and_rated_by_keys(reviewer, until):
    written = demonstration(reviewer.project)
    page = reviewer.open("review")
    expect(page.locator("#turns .text").first).to_have_text("It is small and it runs on two cores.")
    reviewer.press("6", "e")
    expect(page.locator("#submit-reason")).to_have_text("You have changed nothing yet.")
    page.locator(".turn-edit").fill("It is tiny and it runs on four cores.")
    expect(page.locator(".diff del")).to_have_text(["small", "two"])
    expect(page.locator(".diff ins")).to_have_text(["tiny", "four"])
    reviewer.press("Control+Enter")
    until(lambda: written.revisions.count() == 2)
    until(lambda: Demonstration.objects.get().verdict == "edited")
    assert (latest().rating, latest().edit) == (6, 2)


def test_a_draft_of_a_review_survives_a_reload(reviewer):
    demonstration(reviewer.project)
    page = reviewer.open("review")
    reviewer.press("b")
    page.keyboard.type("Too short")
    page.reload()
    expect(page.locator("#comment")).to_have_value("Too short")
    expect(page.get_by_role("radio", name="Send it back")).to_be_checked()
    expect(page.locator("#comment-label")).to_have_text("Why it goes back (its writer reads this)")


def test_what_was_sent_back_is_changed_on_the_work_page_and_comes_back_to_be_closed(desk, until, browser):
    """The labeler at the desk; a reviewer beside them."""
    project = desk.project
    build.rank_items(project, 1, k=3)
    held = queue.claim(desk.membership, Kind.RANK)
    rankings.submit(held, BEST_FIRST, build.key())
    rita = build.member(project, "rita", Role.REVIEWER)
    Item.objects.filter(kind=Kind.RANK).update(needs_review=True)
    made()
    review = queue.claim(rita, Kind.REVIEW)
    sent = [{"labeler": 1, "comment": "Is B really as good as C?"}]
    reviews.submit(review, {"verdict": "accepted", "returns": sent}, build.key())

    page = desk.page
    page.goto(desk.url)
    page.get_by_role("link", name="Sent back to you 1").click()
    expect(page.get_by_role("article", name="A ranking")).to_contain_text("Is B really as good as C?")
    page.get_by_role("link", name="Change my answer").click()
    expect(page.locator("#notices")).to_contain_text("Is B really as good as C?")
    assert desk.tiers() == ["A", "BC"]
    desk.press("b", "[", "Enter")
    until(lambda: Return.objects.get().state == "answered")

    other = browser.new_context()
    sign_in(other, rita.user, desk.url)
    theirs = other.new_page()
    theirs.goto(f"{desk.url}/p/{project.public_id}/review/came-back/")
    article = theirs.get_by_role("article", name="A ranking")
    expect(article).to_contain_text("Is B really as good as C?")
    assert desk.user.username not in theirs.content()
    article.get_by_role("button", name="Close").click()
    expect(theirs.get_by_text("Nothing has come back")).to_be_visible()
    other.close()
    assert Return.objects.get().state == "closed"


def test_a_reply_is_sent_instead(desk):
    build.rank_items(desk.project, 1, k=3)
    rankings.submit(queue.claim(desk.membership, Kind.RANK), BEST_FIRST, build.key())
    rita = build.member(desk.project, "rita", Role.REVIEWER)
    Item.objects.update(needs_review=True)
    made()
    held = queue.claim(rita, Kind.REVIEW)
    sent = [{"labeler": 1, "comment": HOSTILE[0]}]
    reviews.submit(held, {"verdict": "accepted", "returns": sent}, build.key())
    page = desk.open("sent-back")
    expect(page.locator(".said-back")).to_contain_text(HOSTILE[0])
    page.get_by_label("Or reply").fill("I think so.")
    page.get_by_role("button", name="Send the reply").click()
    expect(page.get_by_text("Your reply is with the reviewers.")).to_be_visible()
    assert Return.objects.get().reply == "I think so."


def test_hostile_texts_are_compared_as_text(reviewer):
    written = demonstration(reviewer.project, "\n".join(HOSTILE[:5]))
    page = reviewer.open("review")
    expect(page.locator("#turns .text").first).to_have_text(written.revisions.get().text)
    reviewer.press("e")
    page.locator(".turn-edit").fill(HOSTILE[1])
    assert page.locator("#work img, #work script, #work style").count() == 0


@pytest.mark.parametrize(("scheme", "language"), [("light", "en"), ("dark", "zh-hans")])
def test_axe_finds_nothing_and_a_phone_is_wide_enough(reviewer, until, scheme, language):
    page = reviewer.page
    reviewer.user.language = language
    reviewer.user.save()
    page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
    dispute(reviewer.project, BEST_FIRST, WORST_FIRST)
    found = []

    def look(what: str) -> None:
        found.extend(f"{what}: {line}" for line in findings(page))
        page.set_viewport_size({"width": 360, "height": 740})
        if not fits(page):
            found.append(f"{what}: scrolls sideways")
        page.set_viewport_size({"width": 1280, "height": 720})

    reviewer.open("review")
    reviewer.press("q")
    page.locator("[data-back]").first.click()
    look("dispute")
    page.locator("[data-back]").first.click()
    reviewer.press("l", "Control+Enter")
    until(lambda: Review.objects.count() == 1)
    written = demonstration(reviewer.project)
    reviewer.open("review")
    reviewer.press("5", "e")
    page.locator(".turn-edit").fill("It is tiny and it runs on four cores.")
    look("text")
    held = Assignment.objects.get(kind=Kind.REVIEW, state="open")
    reviews.submit(held, {"verdict": "returned", "revision": 1, "comment": "Too short."}, build.key())
    demonstrations.revise(written, {"text": "It is small. It runs on four cores.", "base": 1}, build.key())
    reviewer.open("review/came-back")
    look("came back")
    assert found == []


@pytest.fixture
def logic(live_server, page):
    """Call a function of a script that knows no document."""
    page.goto(f"{live_server.url}/sign-in/")

    def call(file: str, name: str, *given: Any) -> Any:
        script = "async ([file, name, given]) => (await import(`/static/js/${file}.js`))[name](...given)"
        return page.evaluate(script, [file, name, list(given)])

    return call


def test_a_difference_of_taste_in_scores_is_none_and_an_order_that_is_missing_is_one(logic):
    one = {"tiers": [["A"], ["B"]], "scores": {"A": 6, "B": 3}, "flags": {}}
    other = {"tiers": [["A"], ["B"]], "scores": {"A": 7, "B": 1}, "flags": {"B": ["rude"]}}
    rows = logic("comparing", "compare", ["A", "B"], [one, other])
    assert [row["differs"] for row in rows] == [[], ["score", "flags"]]
    unordered = {**one, "tiers": None}
    assert "place" in logic("comparing", "compare", ["A"], [one, unordered])[0]["differs"]
    assert logic("comparing", "adopted", unordered) is None
