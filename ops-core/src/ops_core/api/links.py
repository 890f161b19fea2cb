"""`/l/{token}`: a signed link that decides one approval. For people: it answers with pages.

Looking (GET) decides nothing, because mail scanners and chat previews look, too. The token is the only key:
these routes ask for no other one.
"""

from typing import Annotated, Final
from urllib.parse import parse_qs

from fastapi import APIRouter, Depends, Request
from starlette.exceptions import HTTPException
from starlette.responses import Response

from ops_core.api.dependencies import services_of
from ops_core.api.link_page import ask_page, done_page, refusal_page
from ops_core.asks.links import ApprovalLinks
from ops_core.bodies import parsed
from ops_core.errors import InvalidRequest, LinkRefused
from ops_core.replies import ApprovalReply

router = APIRouter(prefix="/l", include_in_schema=False)

_FORM: Final = "application/x-www-form-urlencoded"

#: Longer than any form of ours. Bytes.
_MAX_FORM: Final = 32_768

#: By what is wrong with a link: its title and status.
_REFUSALS: Final = {
    "invalid": ("This link is not valid", 404),
    "expired": ("This link has expired", 410),
    "used": ("This was decided already", 409),
    "gone": ("There is nothing to decide any more", 410),
}


async def _links(request: Request) -> ApprovalLinks:
    return services_of(request).links


Links = Annotated[ApprovalLinks, Depends(_links)]


@router.get("/{token}")
async def show_link(token: str, links: Links) -> Response:
    """What is to be decided."""
    try:
        ask, decisions = await links.look(token)
    except LinkRefused as refused:
        return _refused(refused)
    return ask_page(ask, decisions)


@router.post("/{token}")
async def use_link(token: str, request: Request, links: Links) -> Response:
    """Decides."""
    try:
        reply = await _reply(request)
        done = await links.use(token, reply, request_id=request.state.request_id)
    except LinkRefused as refused:
        return _refused(refused)
    except InvalidRequest as error:
        return refusal_page("That was not understood", str(error), 422)
    return done_page(done.ask)


async def _reply(request: Request) -> ApprovalReply:
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != _FORM:
        raise HTTPException(415, "Send the form of the page.", {"Accept": _FORM})
    body = await request.body()
    if len(body) > _MAX_FORM:
        raise HTTPException(413, f"The form may hold at most {_MAX_FORM} bytes.")
    try:
        fields = parse_qs(
            body.decode("ascii"), strict_parsing=True, errors="strict", max_num_fields=10
        )
    except ValueError:
        fields = {}
    said = {name: values[-1] for name, values in fields.items()}
    return parsed(ApprovalReply, said)


def _refused(refused: LinkRefused) -> Response:
    title, status = _REFUSALS[refused.why]
    return refusal_page(title, str(refused), status)
