"""Plots of the experiments as SVG, from Vega-Lite descriptions."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from labeling.pages.drawing import Artist


def lines(
    path: Path,
    rows: Sequence[dict[str, Any]],
    *,
    x: tuple[str, str],
    y: tuple[str, str],
    colour: str,
    points: bool = False,
) -> None:
    """Draw a line for each value of the field `colour`; `x` and `y` are (field, what the axis says).

    Rows with a field "low" and "high" have a band between the two.
    """
    axis_x: dict[str, Any] = {"field": x[0], "type": "quantitative", "title": x[1]}
    series = {"field": colour, "type": "nominal", "title": None}
    axis_y = {"field": y[0], "type": "quantitative", "title": y[1], "scale": {"zero": False}}
    layers: list[dict[str, Any]] = [
        {"mark": {"type": "line", "point": points}, "encoding": {"x": axis_x, "y": axis_y, "color": series}}
    ]
    if any("low" in row for row in rows):
        band = {"x": axis_x, "y": {**axis_y, "field": "low"}, "y2": {"field": "high"}, "color": series}
        layers.insert(0, {"mark": {"type": "area", "opacity": 0.15}, "encoding": band})
    chart = {
        "$schema": "https://vega.github.io/schema/vega-lite/v5.json",
        "data": {"values": list(rows)},
        "width": 480,
        "height": 280,
        "background": "white",
        "layer": layers,
    }
    path.write_text(Artist().svg(json.dumps(chart)), encoding="utf-8")
