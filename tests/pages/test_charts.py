"""Charts: fit for a strict content security policy, readable as a table, free of other people's markup."""

from __future__ import annotations

import math
import re
from xml.etree import ElementTree

import pytest

from labeling.pages.charts import Chart, Named, NamedChart, Point, Series, number, sparkline


def chart(**more):
    series = [Series("loss", [Point(step, 3 / step) for step in range(1, 31)])]
    return Chart(**{"title": "loss", "x": "step", "series": series, **more})


def test_a_chart_has_no_style_no_script_and_no_address():
    svg = chart().svg
    assert not re.search(r"\bstyle=|<style|<script|\bon\w+=|\bhref=|font-family", svg)
    assert svg.count("<svg") == 1
    assert "aria-roledescription" not in svg


def test_colours_are_the_themes():
    colours = set(re.findall(r'(?:fill|stroke)="([^"]+)"', chart(dots=True).svg))
    assert colours == {"none", "currentColor", "var(--line)", "var(--chart-1)"}


def test_series_differ_by_more_than_colour():
    series = [Series(name, [Point(1, 1), Point(2, 2)]) for name in ("train", "valid")]
    svg = chart(series=series).svg
    assert {"var(--chart-1)", "var(--chart-2)"} <= set(re.findall(r'stroke="([^"]+)"', svg))
    assert {"1,0", "5,3"} <= set(re.findall(r'stroke-dasharray="([^"]+)"', svg))
    assert ">train</text>" in svg


def test_names_are_text_and_never_markup():
    hostile = '</text><script>alert("x")</script>'
    series = [Series(name, [Point(1, 1), Point(2, 2)]) for name in (hostile, "other")]
    svg = Chart(title=hostile, x=hostile, series=series).svg
    assert "<script" not in svg
    assert ElementTree.fromstring(svg).get("aria-label") == hostile


def test_the_table_holds_the_figures_of_the_chart():
    series = [
        Series("accuracy", [Point(300, 0.61, 0.57, 0.65), Point(1500, 0.664, 0.641, 0.688)]),
        Series("agreement", [Point(1500, 0.7)]),
    ]
    table = chart(series=series, x="rankings").table
    assert table.columns == ["rankings", "accuracy", "agreement"]
    assert table.rows == [
        ["300", "0.61 (0.57 – 0.65)", "–"],
        ["1,500", "0.664 (0.641 – 0.688)", "0.7"],
    ]


def test_a_long_table_is_thinned_and_keeps_its_ends():
    points = [Point(step, step) for step in range(1, 1001)]
    rows = chart(series=[Series("loss", points)]).table.rows
    assert len(rows) <= 42
    assert (rows[0][0], rows[-1][0]) == ("1", "1,000")


def test_a_chart_of_nothing_is_empty():
    assert chart(series=[]).svg == ""


@pytest.mark.parametrize(
    ("value", "text"),
    [(3.0, "3"), (20000, "20,000"), (0.61234, "0.6123"), (0.0000965, "9.65e-05"), (math.nan, "–")],
)
def test_figures_are_written_for_people(value, text):
    assert number(value) == text


def test_a_sparkline_says_where_it_begins_and_ends():
    svg = sparkline([(1, 3.0), (2, 1.5), (3, 0.75)])
    assert 'aria-label="from 3 to 0.75"' in svg
    assert 'd="M1.0,2.0L48.0,18.0L95.0,26.0"' in svg


def test_a_flat_sparkline_is_a_line_and_a_single_point_is_none():
    assert 'd="M1.0,2.0L95.0,2.0"' in sparkline([(1, 2.0), (2, 2.0)])
    assert sparkline([(1, 2.0)]) == ""


def test_shares_by_name_are_drawn_with_their_intervals_and_listed_with_their_counts():
    rows = [Named("<b>chat</b>", 0.7, 0.6, 0.8, 1200), Named("rewrite", 0.5, None, None, 3)]
    found = NamedChart("use case", "accuracy", "pairs", rows, mark=0.75)
    assert "<b>" not in found.svg
    assert ">rewrite</text>" in found.svg
    assert {"var(--chart-1)", "var(--chart-2)"} <= set(re.findall(r'stroke="([^"]+)"', found.svg))
    assert found.table.columns == ["use case", "accuracy", "pairs"]
    assert found.table.rows == [["<b>chat</b>", "0.7 (0.6 – 0.8)", "1,200"], ["rewrite", "0.5", "3"]]


def test_nothing_named_draws_nothing():
    assert NamedChart("use case", "accuracy", "pairs", []).svg == ""
