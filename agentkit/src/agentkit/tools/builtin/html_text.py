"""The words of an HTML page: what a person would read, without what a browser would run.

The page may be written to hurt. The standard library's parser takes more than a minute for 50 KB
of `<a <a <a …` (Python 3.11); here each search goes on where the one before has ended.
"""

from __future__ import annotations

import re
from html import unescape

_UNREAD = {
    name: re.compile(f"</{name}", re.IGNORECASE)
    for name in ("script", "style", "noscript", "template", "svg", "iframe", "object")
}
"""What is skipped, and how its end is found."""

_LINES = frozenset(
    {"address", "article", "aside", "blockquote", "br", "dd", "div", "dl", "dt", "figcaption"}
    | {"figure", "footer", "form", "h1", "h2", "h3", "h4", "h5", "h6", "header", "hr", "li"}
    | {"main", "nav", "ol", "option", "p", "pre", "section", "table", "title", "tr", "ul"}
)


_TAG = re.compile(r"<(/?)([a-zA-Z][a-zA-Z0-9]{0,20})")


def html_text(html: str) -> str:
    """The text, a line for each block. Scripts, styles, comments and attributes are left out.

    What is never closed (a tag, a comment, a script) ends the text.
    """
    parts: list[str] = []
    at = 0
    while (opens := html.find("<", at)) >= 0:
        if opens > at:
            parts.append(_words(html[at:opens]))
        mark, at = _after(html, opens)
        parts.append(mark)
    parts.append(_words(html[at:]))
    lines = (re.sub(r"[ \t]+", " ", line).strip() for line in "".join(parts).split("\n"))
    return "\n".join(line for line in lines if line)


def _after(html: str, opens: int) -> tuple[str, int]:
    """What the markup at a `<` stands for in the text, and where the text goes on."""
    if html.startswith("<!--", opens):
        return "", _past(html, "-->", opens + 4)
    tag = _TAG.match(html, opens)
    if tag is None and html[opens + 1 : opens + 2] not in {"!", "?", "/"}:
        return "<", opens + 1  # the sign itself, as in 1 < 2
    goes_on = _past(html, ">", opens)
    if tag is None:
        return "", goes_on
    closing, name = tag[1], tag[2].lower()
    if name in _UNREAD and not closing and html[goes_on - 2 : goes_on] != "/>":
        end = _UNREAD[name].search(html, goes_on)
        return "", len(html) if end is None else end.start()
    if name in _LINES:
        return "\n", goes_on
    return " | " if name in {"td", "th"} and not closing else "", goes_on


def _past(html: str, end: str, start: int) -> int:
    found = html.find(end, start)
    return len(html) if found < 0 else found + len(end)


def _words(text: str) -> str:
    try:
        text = unescape(text)
    except ValueError:  # a character's number of thousands of digits
        return ""
    return re.sub(r"\s+", " ", text)
