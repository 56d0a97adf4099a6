"""Charts as SVG that stands in the page: no script, no style attribute, colours from the page's theme.

A chart is drawn on the server by Vega-Lite. What comes back is rebuilt from a short list of elements and
attributes, so that nothing else can enter the page; colours are `currentColor` or the theme's variables.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any
from xml.etree import ElementTree

from django.utils.html import format_html
from django.utils.safestring import SafeString, mark_safe
from django.utils.translation import gettext as _

from labeling.pages.drawing import Artist

WIDTH, HEIGHT = 380, 210
"""Of the whole drawing, with axes and legend, in CSS pixels at its natural size."""
ROW_HEIGHT, AXIS_HEIGHT = 26, 44
"""Of a drawing with a line for each name."""
COLOURS = [f"var(--chart-{number})" for number in range(1, 5)]
DASHES: list[list[int]] = [[1, 0], [5, 3], [2, 2], [7, 2, 2, 2]]
"""Series differ by colour and by dash: nobody has to tell colours apart."""
TABLE_ROWS = 40

SVG = "{http://www.w3.org/2000/svg}"
ELEMENTS = {"svg", "g", "path", "line", "rect", "text"}
ATTRIBUTES = {
    "d", "x", "y", "x1", "x2", "y1", "y2", "width", "height", "transform", "fill", "stroke", "stroke-width",
    "stroke-dasharray", "stroke-linecap", "stroke-linejoin", "stroke-miterlimit", "opacity", "fill-opacity",
    "stroke-opacity", "text-anchor", "font-size", "font-weight", "viewBox",
}  # fmt: skip

CONFIG: dict[str, Any] = {
    "background": None,
    "padding": 4,
    "view": {"stroke": None},
    "axis": {
        "domain": False,
        "ticks": False,
        "grid": True,
        "gridColor": "var(--line)",
        "labelColor": "currentColor",
        "labelFontSize": 11,
        "labelPadding": 6,
        "titleColor": "currentColor",
        "titleFontSize": 11,
        "titleFontWeight": "normal",
        "tickCount": 4,
    },
    "axisX": {"grid": False},
    "legend": {
        "orient": "top",
        "title": None,
        "labelColor": "currentColor",
        "labelFontSize": 11,
        "labelLimit": 300,
        "symbolType": "stroke",
        "symbolStrokeWidth": 2,
        "symbolSize": 220,
        "offset": 6,
    },
}
LINE = {"mark": {"type": "line", "strokeWidth": 2, "strokeJoin": "round"}}
INTERVAL = {
    "transform": [{"filter": "isValid(datum.low)"}],
    "mark": {"type": "rule", "strokeWidth": 2, "strokeOpacity": 0.55},
    "encoding": {
        "y": {"field": "low", "type": "quantitative"},
        "y2": {"field": "high"},
        "strokeDash": {"value": [1, 0]},
    },
}
DOT = {
    "mark": {"type": "point", "filled": True, "size": 42, "opacity": 1},
    "encoding": {"strokeDash": None},
}


@dataclass(frozen=True)
class Point:
    x: float
    y: float
    low: float | None = None
    high: float | None = None
    """The ends of an interval around y, where there is one."""


@dataclass(frozen=True)
class Series:
    name: str
    points: Sequence[Point]


@dataclass(frozen=True)
class Table:
    columns: list[str]
    rows: list[list[str]]


@dataclass(frozen=True)
class Chart:
    """A chart and the figures behind it. `x` and `y` name the axes; `dots` shows single measurements."""

    title: str
    x: str
    series: Sequence[Series]
    y: str = ""
    dots: bool = False
    note: str = ""
    svg: SafeString = field(init=False)
    table: Table = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "svg", _draw(self))
        object.__setattr__(self, "table", _tabulate(self))


@dataclass(frozen=True)
class Named:
    """A share of one with a name, its 95 % interval where there is one, and how many it is a share of."""

    name: str
    value: float
    low: float | None
    high: float | None
    count: int


@dataclass(frozen=True)
class NamedChart:
    """Shares by name, a line each, on one scale; `mark` is a share that all are to be compared with."""

    title: str
    x: str
    counted: str
    rows: Sequence[Named]
    mark: float | None = None
    note: str = ""
    svg: SafeString = field(init=False)
    table: Table = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "svg", _draw_named(self))
        rows = [
            [row.name, _with_interval(row.value, row.low, row.high), number(row.count)] for row in self.rows
        ]
        object.__setattr__(self, "table", Table([self.title, self.x, self.counted], rows))


def number(value: float) -> str:
    """A figure for people: whole numbers whole, others to four significant digits."""
    if not math.isfinite(value):
        return "–"
    if value == int(value) and abs(value) < 1e15:
        return f"{int(value):,}"
    return f"{value:.3g}" if abs(value) < 1e-3 else f"{value:,.4g}"


def sparkline(points: Sequence[tuple[float, float]]) -> SafeString:
    """A small line without axes; nothing for fewer than two points. (x, y) in the data's own units."""
    if len(points) < 2:
        return SafeString("")
    (left, right), (low, high) = _span(x for x, _y in points), _span(y for _x, y in points)
    path = "L".join(
        f"{1 + 94 * (x - left) / (right - left or 1):.1f},{2 + 24 * (high - y) / (high - low or 1):.1f}"
        for x, y in points
    )
    return format_html(
        '<svg class="sparkline" viewBox="0 0 96 28" role="img" aria-label="{}">'
        '<path d="M{}" fill="none" stroke="currentColor" stroke-width="1.5" stroke-linejoin="round"'
        ' vector-effect="non-scaling-stroke"/></svg>',
        _("from %(first)s to %(last)s") % {"first": number(points[0][1]), "last": number(points[-1][1])},
        path,
    )


def _span(values: Iterable[float]) -> tuple[float, float]:
    found = list(values)
    return min(found), max(found)


_artist = Artist()


def _draw(chart: Chart) -> SafeString:
    values: list[dict[str, Any]] = []
    for order, series in enumerate(chart.series):
        for point in series.points:
            value: dict[str, Any] = {"x": point.x, "y": point.y, "series": series.name, "order": order}
            if point.low is not None and point.high is not None:
                value |= {"low": point.low, "high": point.high}
            values.append(value)
    if not values:
        return SafeString("")
    names = [series.name for series in chart.series]
    encoding: dict[str, Any] = {
        "x": {"field": "x", "type": "quantitative", "title": chart.x, "scale": {"nice": False}},
        "y": {"field": "y", "type": "quantitative", "title": chart.y or None, "scale": {"zero": False}},
        "color": {
            "field": "series",
            "type": "nominal",
            "scale": {"domain": names, "range": COLOURS[: len(names)]},
            "legend": {} if len(names) > 1 else None,
        },
        "strokeDash": {
            "field": "series",
            "type": "nominal",
            "scale": {"domain": names, "range": DASHES[: len(names)]},
            "legend": {} if len(names) > 1 else None,
        },
    }
    if all(float(value["x"]).is_integer() for value in values):
        encoding["x"]["axis"] = {"format": ",d", "tickMinStep": 1}
    if chart.dots:
        encoding["x"]["scale"] = {"nice": False, "padding": 16, "zero": False}
        encoding["y"]["scale"] = {"nice": False, "padding": 10, "zero": False}
    layers: list[dict[str, Any]] = [LINE]
    if any("low" in value for value in values):
        layers.append(INTERVAL)
    if chart.dots:
        layers.append(DOT)
    return _drawn(chart.title, HEIGHT, values, encoding, layers)


def _draw_named(chart: NamedChart) -> SafeString:
    if not chart.rows:
        return SafeString("")
    values = [
        {
            "name": row.name,
            "x": row.value,
            **({"low": row.low, "high": row.high} if row.low is not None else {}),
        }
        for row in chart.rows
    ]
    encoding = {
        "x": {"field": "x", "type": "quantitative", "title": chart.x, "scale": {"domain": [0, 1]}},
        "y": {"field": "name", "type": "nominal", "title": None, "sort": None, "axis": {"labelLimit": 150}},
        "color": {"value": COLOURS[0]},
    }
    interval = {
        **INTERVAL,
        "encoding": {"x": {"field": "low", "type": "quantitative"}, "x2": {"field": "high"}},
    }
    layers: list[dict[str, Any]] = [interval, {"mark": DOT["mark"]}]
    if chart.mark is not None:
        place = {"x": {"datum": chart.mark}, "y": None, "color": {"value": COLOURS[1]}}
        layers.insert(
            0, {"mark": {"type": "rule", "strokeWidth": 2, "strokeDash": DASHES[1]}, "encoding": place}
        )
    return _drawn(chart.title, AXIS_HEIGHT + ROW_HEIGHT * len(values), values, encoding, layers)


def _drawn(
    title: str,
    height: int,
    values: list[dict[str, Any]],
    encoding: dict[str, Any],
    layers: list[dict[str, Any]],
) -> SafeString:
    spec = {
        "$schema": "https://vega.github.io/schema/vega-lite/v5.json",
        "width": WIDTH,
        "height": height,
        "autosize": {"type": "fit", "contains": "padding"},
        "data": {"values": values},
        "encoding": encoding,
        "layer": layers,
        "config": CONFIG,
    }
    return mark_safe(  # noqa: S308 - rebuilt by _clean from a list of elements and attributes
        _render(json.dumps(spec, sort_keys=True), title)
    )


@lru_cache(maxsize=512)
def _render(spec: str, title: str) -> str:
    """The same figures give the same drawing, so a page that is asked for again costs nothing."""
    return _clean(_artist.svg(spec), title)


def _clean(svg: str, title: str) -> str:
    root = ElementTree.fromstring(svg)  # noqa: S314 - our own drawing, without a document type
    _keep(root)
    root.set("class", "chart")
    root.set("role", "img")
    root.set("aria-label", title)
    root.attrib.pop("width", None)
    root.attrib.pop("height", None)
    ElementTree.register_namespace("", SVG.strip("{}"))
    return ElementTree.tostring(root, encoding="unicode")


def _keep(element: ElementTree.Element) -> None:
    for name in list(element.attrib):
        if name not in ATTRIBUTES:
            del element.attrib[name]
    for child in list(element):
        unseen = child.get("class") in ("background", "foreground") or child.get("display") == "none"
        if child.tag.removeprefix(SVG) not in ELEMENTS or unseen:
            element.remove(child)
            continue
        _keep(child)
        if child.tag == f"{SVG}g" and len(child) == 0:
            element.remove(child)


def _tabulate(chart: Chart) -> Table:
    rows: dict[float, list[str]] = {}
    for column, series in enumerate(chart.series):
        for point in series.points:
            row = rows.setdefault(point.x, ["–"] * len(chart.series))
            row[column] = _with_interval(point.y, point.low, point.high)
    ordered = sorted(rows)
    stride = math.ceil(len(ordered) / TABLE_ROWS) or 1
    shown = [x for index, x in enumerate(ordered) if index % stride == 0 or index == len(ordered) - 1]
    return Table(
        columns=[chart.x, *(series.name for series in chart.series)],
        rows=[[number(x), *rows[x]] for x in shown],
    )


def _with_interval(value: float, low: float | None, high: float | None) -> str:
    if low is None or high is None:
        return number(value)
    return f"{number(value)} ({number(low)} – {number(high)})"
