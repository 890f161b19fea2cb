"""Signatures as https://www.standardwebhooks.com describes them: any of its libraries verifies them."""

import base64
import hashlib
import hmac
import os
from collections.abc import Sequence
from datetime import datetime

from pydantic import SecretStr

from ops_core.hook import key_of, secret_of


def new_secret() -> SecretStr:
    """256 random bits."""
    return SecretStr(secret_of(os.urandom(32)))


def headers(
    delivery_id: str, at: datetime, body: bytes, secrets: Sequence[SecretStr]
) -> dict[str, str]:
    """The headers of one attempt: a signature for each secret, and none without a secret."""
    stamp = str(int(at.timestamp()))
    signed = f"{delivery_id}.{stamp}.".encode() + body
    found = {
        "content-type": "application/json",
        "user-agent": "opspawn-webhooks/1",
        "webhook-id": delivery_id,
        "webhook-timestamp": stamp,
    }
    if secrets:
        found["webhook-signature"] = " ".join(_signature(secret, signed) for secret in secrets)
    return found


def _signature(secret: SecretStr, signed: bytes) -> str:
    digest = hmac.new(key_of(secret.get_secret_value()), signed, hashlib.sha256).digest()
    return "v1," + base64.b64encode(digest).decode()
