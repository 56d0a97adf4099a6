"""The child that draws: it comes back, it goes when it is idle, and the web never loads its library."""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import psutil
import pytest

from labeling.pages.drawing import Artist, DrawingError

LINE = {
    "$schema": "https://vega.github.io/schema/vega-lite/v5.json",
    "data": {"values": [{"x": 1, "y": 2}, {"x": 2, "y": 3}]},
    "mark": "line",
    "encoding": {"x": {"field": "x", "type": "quantitative"}, "y": {"field": "y", "type": "quantitative"}},
}


def spec(width: int = 200) -> str:
    return json.dumps({**LINE, "width": width})


def wait_until(condition) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_one_child_draws_for_all_threads_and_one_that_was_killed_is_replaced():
    artist = Artist()
    assert artist.pid() is None
    with ThreadPoolExecutor(4) as threads:
        drawn = list(threads.map(lambda width: artist.svg(spec(width)), (200, 210, 220, 230)))
    assert [svg.startswith("<svg") for svg in drawn] == [True] * 4
    assert len(set(drawn)) == 4
    first = artist.pid()
    os.kill(first, signal.SIGKILL)
    assert artist.svg(spec(200)) == drawn[0]
    assert artist.pid() not in (None, first)
    assert "vl_convert" not in sys.modules


def test_an_idle_child_ends_and_the_next_chart_starts_another():
    artist = Artist(idle_seconds=0.2)
    artist.svg(spec())
    child = psutil.Process(artist.pid()) if artist.pid() else None
    wait_until(lambda: artist.pid() is None and (child is None or not child.is_running()))
    assert artist.svg(spec()).startswith("<svg")


def test_what_cannot_be_drawn_is_an_error_and_the_child_goes_on():
    artist = Artist()
    with pytest.raises(DrawingError):
        artist.svg('{"mark": 7}')
    assert artist.svg(spec()).startswith("<svg")
