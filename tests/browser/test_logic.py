"""The pure logic of a ranking, imported into a blank page."""

from __future__ import annotations

from typing import Any

import pytest


@pytest.fixture
def run(live_server: Any, page: Any) -> Any:
    """Run a line of script on `r` (ranking.js) and `s`, a ranking of A to D, and return what it gives."""
    page.goto(f"{live_server.url}/sign-in/")

    def evaluate(script: str) -> Any:
        return page.evaluate(
            """async (script) => {
                const r = await import("/static/js/ranking.js");
                const { ActiveClock } = await import("/static/js/clock.js");
                const { WorkSpell } = await import("/static/js/work_spell.js");
                const blank = r.blank(["A", "B", "C", "D"]);
                const scored = (...pairs) => pairs.reduce((s, [l, n]) => r.setScore(s, l, n), blank);
                const made = new Function("r", "scored", "ActiveClock", "WorkSpell", `return ${script}`);
                return made(r, scored, ActiveClock, WorkSpell);
            }""",
            script,
        )

    return evaluate


# Function() is what these tests need and the pages' policy forbids.
@pytest.fixture
def browser_context_args(browser_context_args: dict[str, Any]) -> dict[str, Any]:
    return {**browser_context_args, "bypass_csp": True}


def test_scores_make_tiers_and_equal_scores_share_an_undecided_one(run):
    assert run('scored(["A",5],["B",7],["C",5],["D",1]).tiers') == [["B"], ["A", "C"], ["D"]]
    assert run('r.missing(scored(["A",5],["B",7],["C",5],["D",1]))') == {
        "unscored": [], "unresolved": [["A", "C"]], "complete": False,
    }  # fmt: skip


def test_a_kept_tie_is_an_answer_and_can_be_taken_back(run):
    kept = 'r.toggleTie(scored(["A",5],["B",7],["C",5],["D",1]), "C")'
    assert run(f"r.missing({kept}).complete") is True
    assert run(f"{kept}.tied") == ["A", "C"]
    assert run(f'r.missing(r.toggleTie({kept}, "A")).complete') is False


def test_a_third_letter_makes_a_kept_tie_undecided_again(run):
    kept = 'r.toggleTie(scored(["A",5],["C",5]), "A")'
    assert run(f'r.missing(r.setScore({kept}, "D", 5)).unresolved') == [["A", "C", "D"]]


def test_moving_a_letter_out_of_a_tie_orders_it(run):
    moved = 'r.move(scored(["A",5],["B",7],["C",5],["D",1]), "C", -1)'
    assert run(f"{moved}.tiers") == [["B"], ["C"], ["A"], ["D"]]
    assert run(f"{moved}.moved") == ["C"]
    assert run(f"r.missing({moved}).complete") is True


def test_a_letter_alone_moves_past_its_neighbour(run):
    assert run('r.move(scored(["A",3],["B",7],["C",5]), "A", -1).tiers') == [["B"], ["A"], ["C"]]
    assert run('r.move(scored(["A",3],["B",7],["C",5]), "B", 1).tiers') == [["C"], ["B"], ["A"]]
    assert run('r.move(scored(["A",3],["B",7]), "B", -1).tiers') == [["B"], ["A"]]


def test_a_letter_joins_the_one_above_by_a_tie(run):
    tied = 'r.toggleTie(scored(["A",3],["B",7],["C",5]), "A")'
    assert run(f"{tied}.tiers") == [["B"], ["A", "C"]]
    assert run(f"{tied}.tied") == ["A", "C"]
    assert run(f"r.conflicts({tied})") == 0


def test_the_order_may_disagree_with_the_scores_and_the_pairs_are_counted(run):
    moved = 'r.placeBetween(scored(["A",1],["B",7],["C",5],["D",3]), "A", 0)'
    assert run(f"{moved}.tiers") == [["A"], ["B"], ["C"], ["D"]]
    assert run(f"r.conflicts({moved})") == 3
    assert run(f"r.orderByScores({moved}).tiers") == [["B"], ["C"], ["D"], ["A"]]


def test_a_place_by_hand_outlasts_its_first_score(run):
    placed = 'r.placeBetween(r.placeBetween(scored(["B",7]), "A", 0), "C", 0)'
    assert run(f"{placed}.tiers") == [["C"], ["A"], ["B"]]
    assert run(f'r.setScore({placed}, "A", 2).tiers') == [["C"], ["A"], ["B"]]


def test_a_changed_score_that_contradicts_a_place_by_hand_moves_the_letter(run):
    placed = 'r.move(scored(["A",5],["B",5],["C",3]), "B", -1)'
    assert run(f"{placed}.tiers") == [["B"], ["A"], ["C"]]
    dropped = f'r.setScore({placed}, "B", 2)'
    assert run(f"{dropped}.tiers") == [["A"], ["C"], ["B"]]
    assert run(f"{dropped}.moved") == []


def test_dropping_on_a_letter_makes_a_tie_of_the_two(run):
    dropped = 'r.placeInTier(scored(["A",3],["B",7],["C",5]), "C", 0)'
    assert run(f"{dropped}.tiers") == [["B", "C"], ["A"]]
    assert run(f"r.missing({{...{dropped}, letters: ['A','B','C']}}).complete") is True


def test_all_bad_needs_scores_but_no_order(run):
    bad = '{...scored(["A",1],["B",1],["C",1],["D",2]), all_bad: true}'
    assert run(f"r.missing({bad}).complete") is True
    assert run(f"r.answer({bad}).tiers") is None
    assert run('r.missing({...scored(["A",1]), all_bad: true}).complete') is False


def test_a_stored_draft_keeps_only_what_fits(run):
    draft = (
        '{scores: {A: 5, B: 9, Z: 3, C: "x"}, tiers: [["A", "Q"], "no", ["A"]], tied: ["A"], moved: 3,'
        ' flags: {A: ["late", "ghost"], B: 1}, comment: 7, all_bad: "yes"}'
    )
    restored = run(f'r.restore(["A","B","C"], {draft}, {{min: 1, max: 7}}, ["late"])')
    assert restored == {
        "letters": ["A", "B", "C"], "scores": {"A": 5}, "tiers": [["A"]], "tied": [], "moved": [],
        "flags": {"A": ["late"]}, "all_bad": False, "comment": "",
    }  # fmt: skip
    assert run('r.restore(["A","B"], null, {min: 1, max: 7}, []).tiers') == []


def test_of_a_pause_only_thirty_seconds_count_as_active(run):
    clock = (
        "(() => { const c = new ActiveClock(0); c.note(10000); c.note(310000); return c.seconds(315000); })()"
    )
    assert run(clock) == 10 + 30 + 5


def test_a_spell_of_work_outlasts_a_page_and_ends_with_a_longer_pause(run):
    spell = "(() => {{ const s = new WorkSpell(ActiveClock, 1000, {kept}); {moves}; return s.seconds; }})()"
    worked = "s.note(11000); s.note(31000)"
    assert run(spell.format(kept="null", moves=worked)) == 30
    assert run(spell.format(kept="{seconds: 100, at: 0}", moves=worked)) == 130
    assert run(spell.format(kept="{seconds: 100, at: -300000}", moves=worked)) == 30
    assert run(spell.format(kept="null", moves=f"{worked}; s.note(400000); s.note(405000)")) == 5
