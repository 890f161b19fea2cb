"""The index of decisions lists every decision, by its number and its title."""

import re

from support.documents import ROOT, read, rows

FOLDER = ROOT / "docs/adr"
PAGES = {path.name: path.read_text(encoding="utf-8") for path in FOLDER.glob("0*.md")}


def test_the_index_lists_every_decision_in_order_with_its_title() -> None:
    titles = [
        [f"[{name[:4]}]({name})", text.splitlines()[0].partition(". ")[2]]
        for name, text in sorted(PAGES.items())
    ]
    assert titles == [row for row in rows(read("docs/adr/README.md")) if row[0]]


def test_the_numbers_have_no_gap_and_stand_in_the_title_too() -> None:
    expected = [(number, f"# {number}") for number in range(1, len(PAGES) + 1)]
    assert expected == [
        (int(name[:4]), text.partition(". ")[0]) for name, text in sorted(PAGES.items())
    ]


def test_every_decision_has_the_same_parts() -> None:
    parts = {
        name: re.findall(r"^## (.+)$", text, flags=re.MULTILINE) for name, text in PAGES.items()
    }
    expected = ["Context", "Decision", "Rejected", "Consequence"]
    assert dict.fromkeys(PAGES, expected) == parts
