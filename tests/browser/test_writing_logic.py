"""What was pasted, and which earlier texts are kept: pure logic, imported into a blank page."""

from __future__ import annotations

from typing import Any

import pytest


@pytest.fixture
def evaluate(live_server: Any, page: Any) -> Any:
    """Run a script with `paste` (paste.js) and `Versions` (versions.js), and return what it gives."""
    page.goto(f"{live_server.url}/sign-in/")

    def run(script: str) -> Any:
        return page.evaluate(
            """async (script) => {
                const paste = await import("/static/js/paste.js");
                const { Versions } = await import("/static/js/versions.js");
                const says = (text) => ({ text, body: { text } });
                return new Function("paste", "Versions", "says", script)(paste, Versions, says);
            }""",
            script,
        )

    return run


# Function() is what these tests need and the pages' policy forbids.
@pytest.fixture
def browser_context_args(browser_context_args: dict[str, Any]) -> dict[str, Any]:
    return {**browser_context_args, "bypass_csp": True}


def test_a_pasted_stretch_moves_shrinks_and_splits_with_the_text(evaluate):
    pasted = evaluate("""
        const steps = [["ab", "aXYZb", true], ["aXYZb", "--aXYZb", false], ["--aXYZb", "--aX!YZb", false],
                       ["--aX!YZb", "--aX!Yb", false], ["--aX!Yb", "Q", true], ["Q", "", false]];
        let stretches = [];
        return steps.map(([before, after, isPaste]) => {
            stretches = paste.edited(stretches, before, after, isPaste);
            return stretches;
        });
    """)
    assert pasted == [[[1, 4]], [[3, 6]], [[3, 4], [5, 7]], [[3, 4], [5, 6]], [[0, 1]], []]


def test_the_share_is_of_all_texts_together_and_a_draft_is_believed_as_far_as_it_can_be_true(evaluate):
    assert evaluate("return paste.share([[[[0, 5]], 10], [[], 10]])") == 0.25
    assert evaluate("return paste.share([[[], 0]])") == 0
    drafts = "[null, 'x', [[0, 99], [-3, 1], [2], ['a', 'b'], [7, 4]]].map((draft) => paste.known(draft, 6))"
    assert evaluate(f"return {drafts}") == [[], [], [[0, 6]]]


def test_a_version_is_kept_each_minute_and_whenever_much_is_lost(evaluate):
    kept = evaluate("""
        const long = "0123456789".repeat(6);
        const versions = new Versions(null, says(""), 0);
        versions.note(says("short"), 1000);
        versions.note(says(long), 2000);
        versions.note(says("replaced at one stroke, and longer than before: ".repeat(2)), 3000);
        for (let left = 90; left >= 40; left -= 1) versions.note(says("x".repeat(left)), 4000);
        versions.note(says("y"), 70000);
        return versions.kept.map(({ text }) => text.slice(0, 9));
    """)
    assert kept[0] == "012345678"
    assert kept[1] == "replaced "
    assert "x" * 9 in kept
    assert "short" not in kept


def test_the_same_text_is_kept_once_and_old_versions_go_first(evaluate):
    counts = evaluate("""
        const versions = new Versions([{ nonsense: 1 }], says(""), 0);
        versions.keep(says("same"), 1);
        versions.keep(says("same"), 2);
        versions.keep(says("  "), 3);
        const once = versions.kept.length;
        for (let n = 0; n < 50; n += 1) versions.keep(says(`text ${n}`), n);
        const most = versions.kept.length;
        versions.keep(says("z".repeat(500000)), 99);
        return [once, most, versions.kept[0].text.length];
    """)
    assert counts == [1, 30, 500000]
