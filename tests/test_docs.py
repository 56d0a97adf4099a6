"""What is read on paper: links lead somewhere, and every picture is one that `make screenshots` takes."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
HANDBOOK = ROOT / "docs" / "labelers.md"
PICTURES = ROOT / "docs" / "labelers"
LINK = re.compile(r"(!?)\[([^\]]*)\]\(([^)\s]+)\)")


def anchors(page: Path) -> set[str]:
    """Where a link may lead to within a page, as GitHub names its headings."""
    headings = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("name", ["README.md", "docs/README.md", "docs/labelers.md", "docs/devices.md"])
def test_every_link_leads_somewhere(name):
    page = ROOT / name
    lost = []
    for _mark, _text, address in LINK.findall(page.read_text(encoding="utf-8")):
        if address.startswith("http"):
            continue
        file, _, anchor = address.partition("#")
        target = page.parent / file if file else page
        if not target.exists() or (anchor and anchor not in anchors(target)):
            lost.append(address)
    assert lost == []


def test_the_handbooks_pictures_are_those_that_the_command_takes():
    shown = LINK.findall(HANDBOOK.read_text(encoding="utf-8"))
    pictures = {address: text for mark, text, address in shown if mark}
    command = (ROOT / "tests/browser/screenshots.py").read_text(encoding="utf-8")
    taken = {f"labelers/{name}.webp" for name in re.findall(r'\.take\("([\w-]+)"', command)}
    kept = {f"labelers/{path.name}" for path in PICTURES.iterdir()}
    assert set(pictures) == taken == kept
    assert all(len(text) > 20 for text in pictures.values()), "each says what it shows"


def test_the_handbook_is_light_to_load():
    assert sum(path.stat().st_size for path in PICTURES.iterdir()) < 1_000_000
