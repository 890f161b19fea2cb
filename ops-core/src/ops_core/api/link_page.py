"""The page behind a signed link: plain HTML, no script. All that it shows is hostile until it is escaped."""

import base64
import hashlib
import json
from collections.abc import Sequence
from html import escape
from typing import Final

from starlette.responses import HTMLResponse

from ops_core.answers import Decision
from ops_core.ask import Ask, AskStatus
from ops_core.log import rfc3339

_STYLE: Final = (
    "body{font:16px/1.5 system-ui,sans-serif;max-width:44rem;margin:2rem auto;padding:0 1rem}"
    "pre{background:#f4f4f4;padding:1rem;white-space:pre-wrap;overflow-wrap:anywhere}"
    "button{font:inherit;padding:.5rem 1.5rem;margin-right:1rem}"
    "textarea{font:inherit;width:100%;box-sizing:border-box}"
    "dt{font-weight:600}dd{margin:0 0 .75rem;overflow-wrap:anywhere}"
)
_STYLE_HASH: Final = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()

#: Nothing is loaded, run or framed; the one form may only come back here. The address is a key: it is kept
#: from caches, search engines and the servers of links that are followed from here.
HEADERS: Final = {
    "Content-Security-Policy": f"default-src 'none'; style-src 'sha256-{_STYLE_HASH}'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    "Cache-Control": "no-store",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "X-Robots-Tag": "noindex, nofollow",
}

#: Longer arguments are shown by their beginning, and the page says so. Characters.
MAX_SHOWN: Final = 20_000

_BUTTONS: Final = {"approve": "Approve", "reject": "Reject"}
_DONE: Final = {AskStatus.APPROVED: "Approved", AskStatus.REJECTED: "Rejected"}

#: Characters that change the direction or the look of what surrounds them.
_INVISIBLE: Final = dict.fromkeys(
    [
        *range(0x200B, 0x2010),
        *range(0x2028, 0x202F),
        *range(0x2060, 0x2070),
        0x061C,
        0xFEFF,
    ]
)


def ask_page(ask: Ask, decisions: Sequence[Decision]) -> HTMLResponse:
    """What is to be decided, with a button for each decision. Looking at it changes nothing."""
    tool = _text(ask.asked.get("tool") or "a tool")
    given = json.dumps(ask.asked.get("arguments"), indent=2, ensure_ascii=False, sort_keys=True)
    cut = "<p><strong>It is longer; this is its beginning.</strong></p>"
    until = "" if ask.expires_at is None else _entry("Until", rfc3339(ask.expires_at))
    buttons = "".join(
        f'<button type="submit" name="decision" value="{decision}">{_BUTTONS[decision]}</button>'
        for decision in decisions
    )
    body = (
        f"<p>{_text(ask.asked.get('question') or 'May this call be made?')}</p>"
        f"<h2>{tool}</h2><pre>{_text(given[:MAX_SHOWN])}</pre>"
        f"{cut if len(given) > MAX_SHOWN else ''}"
        f"<dl>{_entry('Task', ask.task_id)}{_sources(ask)}{until}{_entry('SHA-256', ask.hash)}</dl>"
        '<form method="post"><p><label>Comment<br>'
        '<textarea name="comment" rows="3" maxlength="2000"></textarea></label></p>'
        f"<p>{buttons}</p></form>"
    )
    return _page("A task asks for your approval", body)


def done_page(ask: Ask) -> HTMLResponse:
    """What was decided."""
    title = _DONE.get(ask.status, str(ask.status).capitalize())
    return _page(title, "<p>Your decision is on record. This link cannot be used again.</p>")


def refusal_page(title: str, detail: str, status: int) -> HTMLResponse:
    """Why a link does not work."""
    return _page(title, f"<p>{_text(detail)}</p>", status)


def _page(title: str, body: str, status: int = 200) -> HTMLResponse:
    html = (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{_text(title)}</title><style>{_STYLE}</style></head>"
        f"<body><h1>{_text(title)}</h1>{body}</body></html>"
    )
    return HTMLResponse(html, status, HEADERS)


def _sources(ask: Ask) -> str:
    """Where the arguments may come from, those without authority first."""
    sources = ask.asked.get("sources")
    if not sources:
        return ""
    told = [
        f"{one.get('source')} {one.get('name') or ''}".strip()
        + ("" if one.get("trusted") else " (not trusted)")
        for one in sorted(sources, key=lambda one: bool(one.get("trusted")))
    ]
    return _entry("The model had been shown words of", ", ".join(told))


def _entry(name: str, value: str) -> str:
    return f"<dt>{_text(name)}</dt><dd>{_text(value)}</dd>"


def _text(value: object) -> str:
    """As text, whatever it is: no markup, and nothing that turns around what stands beside it."""
    return escape(str(value).translate(_INVISIBLE), quote=True)
