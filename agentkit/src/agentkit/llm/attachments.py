"""Pictures and documents as bytes, for providers that want them so."""

from __future__ import annotations

import base64
import binascii

from agentkit.errors import BadRequest
from agentkit.messages import Attachment


def decoded(part: Attachment) -> bytes:
    """What the part holds. Raises BadRequest when that is not base64."""
    try:
        return base64.b64decode(part.data or "", validate=True)
    except binascii.Error as error:
        raise BadRequest(f"The {part.kind} attached is not base64: {error}.") from None
