"""Links between the documents lead somewhere, and what must not be in them is not."""

import re
from pathlib import Path

import pytest

from support.documents import ROOT, anchors, documents, prose

LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")


def relative(path: Path) -> str:
    return str(path.relative_to(ROOT))


@pytest.mark.parametrize("document", documents(), ids=relative)
def test_every_relative_link_leads_to_a_file_and_a_heading(document: Path) -> None:
    broken = [
        link
        for link in LINK.findall(prose(document.read_text(encoding="utf-8")))
        if not link.startswith(("https://", "http://")) and not leads_somewhere(document, link)
    ]
    assert broken == []


def leads_somewhere(document: Path, link: str) -> bool:
    name, _, fragment = link.partition("#")
    target = (document.parent / name).resolve() if name else document
    if not target.exists():
        return False
    return not fragment or fragment in anchors(target.read_text(encoding="utf-8"))


def test_every_page_of_the_documentation_can_be_reached_from_its_index() -> None:
    seen: set[Path] = set()
    ahead = [ROOT / "docs/index.md"]
    while ahead:
        page = ahead.pop()
        if page in seen or not page.is_relative_to(ROOT / "docs") or page.suffix != ".md":
            continue
        seen.add(page)
        links = LINK.findall(prose(page.read_text(encoding="utf-8")))
        ahead += [
            (page.parent / link.partition("#")[0]).resolve() for link in links if link[0] != "#"
        ]
    assert {relative(page) for page in (ROOT / "docs").rglob("*.md")} == {relative(p) for p in seen}
