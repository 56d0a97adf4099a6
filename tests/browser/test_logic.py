"""The pure logic of a ranking, imported into a blank page."""

from __future__ import annotations

from typing import Any

import pytest


@pytest.fixture
def run(live_server: Any, page: Any) -> Any:
    """Run a line of script on `r` (ranking.js), `insertion` and `extremes`, and return what it gives."""
    page.goto(f"{live_server.url}/sign-in/")

    def evaluate(script: str) -> Any:
        return page.evaluate(
            """async (script) => {
                const r = await import("/static/js/ranking.js");
                const insertion = await import("/static/js/insertion.js");
                const extremes = await import("/static/js/extremes.js");
                const { ActiveClock } = await import("/static/js/clock.js");
                const { WorkSpell } = await import("/static/js/work_spell.js");
                const blank = r.blank(["A", "B", "C", "D"]);
                const scored = (...pairs) => pairs.reduce((s, [l, n]) => r.setScore(s, l, n), blank);
                const known = { r, insertion, extremes, scored, ActiveClock, WorkSpell };
                return new Function(...Object.keys(known), `return ${script}`)(...Object.values(known));
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
        "unscored": [], "unplaced": [], "unresolved": [["A", "C"]], "complete": False,
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
        "choices": None, "flags": {"A": ["late"]}, "denied": {}, "all_bad": False, "comment": "",
    }  # fmt: skip
    assert run('r.restore(["A","B"], null, {min: 1, max: 7}, []).tiers') == []


def test_of_a_pause_only_thirty_seconds_count_as_active(run):
    clock = (
        "(() => { const c = new ActiveClock(0); c.note(10000); c.note(310000); return c.seconds(315000); })()"
    )
    assert run(clock) == 10 + 30 + 5


def test_a_flag_that_wants_an_answer_goes_from_nothing_to_yes_to_no_and_another_is_set_or_not(run):
    turn = 'r.turnFlag({s}, "A", {{key: "late", required: {required}}}, ["late", "rude"])'
    once = turn.format(s='scored(["A",1])', required="true")
    twice = turn.format(s=once, required="true")
    assert run(f"[{once}.flags, {once}.denied]") == [{"A": ["late"]}, {}]
    assert run(f"[{twice}.flags, {twice}.denied]") == [{}, {"A": ["late"]}]
    assert run(f'[r.flagOf({turn.format(s=twice, required="true")}, "A", "late")]') == [None]
    assert run(f'r.flagOf({turn.format(s=once, required="false")}, "A", "late")') is None
    asked = '[{key: "late", required: true}, {key: "rude", required: false}]'
    assert run(f'r.unanswered(scored(["A",1]), "A", {asked}).map(({{key}}) => key)') == ["late"]
    assert run(f'r.unanswered({twice}, "A", {asked})') == []


# --- other ways to an order ------------------------------------------------------------------------------


def test_without_seeding_a_score_moves_nothing_and_a_letter_has_a_place_only_by_hand(run):
    scored = 'r.setScore(r.blank(["A","B"]), "B", 7, { seeds: false })'
    assert run(f"r.missing({scored})") == {
        "unscored": ["A"], "unplaced": ["A", "B"], "unresolved": [], "complete": False,
    }  # fmt: skip
    ordered = f'r.move(r.move({scored}, "A", -1), "B", 1)'
    whole = f'r.setScore({ordered}, "A", 1, {{ seeds: false }})'
    assert run(f"{whole}.tiers") == [["A"], ["B"]]
    assert run(f"r.missing({whole}).complete") is True
    assert run(f"r.conflicts({whole})") == 1
    assert run(f'r.joinLast(r.move({scored}, "A", 1), "B").tied') == ["A", "B"]


# A sort is asked about letters whose worth we know, and answered by it. `play` goes the whole way and hands
# each step to `each`.
PLAY = """(() => {
    const LETTERS = ["A","B","C","D","E","F","G","H","I"];
    const play = (sort, worth, answer, each = () => {}) => {
        const letters = LETTERS.slice(0, worth.length);
        const of = (letter) => worth[letters.indexOf(letter)];
        let choices = [];
        for (;;) {
            const now = sort.sorted(letters, choices);
            if (!now.asks) return { ...now, letters, choices };
            const next = sort.choose(letters, choices, answer(now.asks, of));
            each(letters, choices, now, next);
            choices = next;
        }
    };
    const by = ({ left, right }, of) => ["right", "equal", "left"][1 + Math.sign(of(left) - of(right))];
    // Best or worst by worth; what is left is equal where it is.
    const ends = ({ end, letters }, of) => {
        const worths = letters.map(of);
        if (new Set(worths).size === 1) return "=";
        return letters[worths.indexOf(end === "best" ? Math.max(...worths) : Math.min(...worths))];
    };
    const order = (worth) => [...new Set(worth)].sort((a, b) => b - a)
        .map((w) => LETTERS.filter((_, at) => worth[at] === w));
    const permutations = (list) => list.length < 2 ? [list]
        : list.flatMap((first, at) => permutations(list.toSpliced(at, 1)).map((rest) => [first, ...rest]));
    const weak = (k) => k === 0 ? [[]]
        : weak(k - 1).flatMap((rest) => Array.from({ length: k }, (_, w) => [...rest, w]));
    let seed = 7;
    const random = (n) => (seed = (seed * 1103515245 + 12345) % 2147483648) % n;
    const drawn = (k, range) => Array.from({ length: k }, () => random(range));
    const shuffled = (k) => { const list = [...Array(k).keys()];
        for (let at = k - 1; at > 0; at -= 1) {
            const to = random(at + 1);
            [list[at], list[to]] = [list[to], list[at]];
        }
        return list; };
    const same = (a, b) => JSON.stringify(a) === JSON.stringify(b);
    STORY
})()"""


@pytest.fixture
def play(run: Any) -> Any:
    """Run a story in which sorts are played through."""
    return lambda story: run(PLAY.replace("STORY", story))


def test_two_at_a_time_sorts_every_permutation_in_no_more_comparisons_than_promised(play):
    story = """
        const most = {};
        const sort = (worth) => {
            const { tiers, tied, made } = play(insertion, worth, by);
            if (!same(tiers, order(worth)) || tied.length) throw new Error(`wrong: ${worth}`);
            most[worth.length] = Math.max(most[worth.length] ?? 0, made);
        };
        for (const k of [2, 3, 4, 5, 6, 7]) permutations([...Array(k).keys()]).forEach(sort);
        for (const k of [8, 9]) for (let n = 0; n < 3000; n += 1) sort(shuffled(k));
        return most;
    """
    worst = {"2": 1, "3": 3, "4": 5, "5": 8, "6": 11, "7": 14, "8": 17, "9": 21}
    assert play(story) == worst
    announced = "return [2, 3, 4, 5, 6, 7, 8, 9].map((k) => insertion.sorted(LETTERS.slice(0, k), []).most)"
    assert play(announced) == list(worst.values())


def test_two_at_a_time_finds_every_tie(play):
    story = """
        const worths = [2, 3, 4, 5].flatMap(weak);
        for (const k of [6, 7, 8, 9]) for (let n = 0; n < 500; n += 1) worths.push(drawn(k, 4));
        return worths.filter((worth) => {
            const { tiers, tied } = play(insertion, worth, by);
            const wanted = order(worth);
            return !same(tiers, wanted) || !same(tied, wanted.filter((tier) => tier.length > 1).flat());
        });
    """
    assert play(story) == []


def test_no_pair_is_asked_twice_and_a_sort_takes_no_more_steps_than_were_announced(play):
    story = """
        const faults = [];
        for (const k of [2, 3, 4, 5, 6, 7, 8, 9]) for (let n = 0; n < 60; n += 1) {
            const asked = new Set();
            let announced = Infinity;
            const { made } = play(insertion, drawn(k, n % 2 ? 4 : 100), by, (_, choices, now) => {
                const pair = [now.asks.left, now.asks.right].sort().join("");
                if (asked.has(pair)) faults.push(`${pair} twice`);
                if (now.most > announced) faults.push(`${now.most} after ${announced}`);
                asked.add(pair);
                announced = now.most;
            });
            if (made > announced) faults.push(`${made} and not ${announced}`);
        }
        return faults;
    """
    assert play(story) == []


@pytest.mark.parametrize(("sort", "answer"), [("insertion", "by"), ("extremes", "ends")])
def test_one_step_back_asks_the_same_again_and_a_draft_goes_on_where_it_was(play, sort, answer):
    story = """
        const faults = [];
        for (const k of [2, 3, 4, 5, 6, 7, 8, 9]) for (let n = 0; n < 40; n += 1) {
            play(SORT, drawn(k, n % 2 ? 3 : 100), ANSWER, (letters, choices, now, next) => {
                if (!same(SORT.sorted(letters, next.slice(0, -1)), now)) faults.push(["back", next]);
                const kept = JSON.parse(JSON.stringify(next));
                if (!same(SORT.fitting(letters, kept), next)) faults.push(["draft", next]);
            });
        }
        return faults;
    """
    assert play(story.replace("SORT", sort).replace("ANSWER", answer)) == []


def test_best_and_worst_first_finds_every_order_in_one_choice_less_than_letters(play):
    story = """
        const faults = [];
        const worths = [...[2, 3, 4, 5].flatMap(weak), ...permutations([0, 1, 2, 3, 4, 5])];
        for (const k of [7, 8, 9]) for (let n = 0; n < 250; n += 1) worths.push(shuffled(k), drawn(k, 4));
        for (const worth of worths) {
            const { tiers, tied, made } = play(extremes, worth, ends);
            const of = (letter) => worth[LETTERS.indexOf(letter)];
            const falls = tiers.flat().every((letter, at, all) => !at || of(all[at - 1]) >= of(letter));
            const isStrict = new Set(worth).size === worth.length;
            if (!falls || made >= worth.length || new Set(tied.map(of)).size > 1) faults.push(worth);
            if (isStrict && !same(tiers, order(worth))) faults.push(worth);
        }
        return faults;
    """
    assert play(story) == []


def test_a_best_and_a_worst_settle_every_pair_that_they_are_in(run):
    after = 'extremes.sorted(["A","B","C","D","E","F","G"], ["C","F"])'
    assert run(f"{after}.tiers") == [["C"], ["A", "B", "D", "E", "G"], ["F"]]
    assert run(f"{after}.asks") == {"end": "best", "letters": ["A", "B", "D", "E", "G"]}
    assert run('extremes.sorted(["A","B","C","D"], ["C","="])') == {
        "tiers": [["C"], ["A", "B", "D"]], "tied": ["A", "B", "D"], "asks": None, "made": 2, "most": 2,
    }  # fmt: skip


def test_of_a_stored_sort_only_what_fits_is_kept(run):
    kept = """[
        [insertion, [{left: "A", right: "B", said: "left"}, {left: "C", right: "A", said: "up"}]],
        [insertion, [{left: "B", right: "A", said: "left"}]], [insertion, [null, 3]], [insertion, "left"],
        [extremes, ["B", "B"]], [extremes, ["=", "A"]], [extremes, [{}, "A"]], [extremes, 7],
    ].map(([sort, choices]) => [{ choices }, { min: 1, max: 7 }, [], { seeds: false, sort }])
        .map((stored) => r.restore(["A","B","C"], ...stored).choices.length)"""
    assert run(kept) == [1, 0, 0, 0, 1, 1, 0, 0]


def test_a_place_by_hand_after_a_sort_is_kept_and_no_longer_the_sorts(run):
    more = "{min: 1, max: 7}, [], {seeds: false, sort: extremes}"
    moved = 'r.move(r.sortedBy(r.blank(["A","B","C"]), ["B","C"], extremes), "C", -1)'
    assert run(f"{moved}.tiers") == [["B"], ["C"], ["A"]]
    assert run(f"{moved}.choices") is None
    assert run(f'r.restore(["A","B","C"], {moved}, {more}).tiers') == [["B"], ["C"], ["A"]]
    # An answer as the server has it knows of no sort, and is not asked for again.
    given = f'r.restore(["A","B"], {{tiers: [["A","B"]], tied: ["A","B"]}}, {more})'
    assert run(f"[{given}.choices, {given}.tiers]") == [None, [["A", "B"]]]


def test_a_spell_of_work_outlasts_a_page_and_ends_with_a_longer_pause(run):
    spell = "(() => {{ const s = new WorkSpell(ActiveClock, 1000, {kept}); {moves}; return s.seconds; }})()"
    worked = "s.note(11000); s.note(31000)"
    assert run(spell.format(kept="null", moves=worked)) == 30
    assert run(spell.format(kept="{seconds: 100, at: 0}", moves=worked)) == 130
    assert run(spell.format(kept="{seconds: 100, at: -300000}", moves=worked)) == 30
    assert run(spell.format(kept="null", moves=f"{worked}; s.note(400000); s.note(405000)")) == 5
