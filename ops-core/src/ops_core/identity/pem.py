"""A public key in PEM as a JSON Web Key Set, the one form that tokens are checked with."""

import json
from collections.abc import Mapping
from typing import Any

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.serialization import load_pem_public_key
from jwt.algorithms import ECAlgorithm, OKPAlgorithm, RSAAlgorithm


def jwks_of_pem(content: bytes) -> Mapping[str, Any]:
    """It has no id, and is used for every token. Raises `ValueError` for anything but a public key."""
    try:
        key = load_pem_public_key(content)
    except (ValueError, UnsupportedAlgorithm):
        raise ValueError("is no public key in PEM (and must never be a private one)") from None
    match key:
        case RSAPublicKey():
            found = RSAAlgorithm.to_jwk(key)
        case EllipticCurvePublicKey():
            found = ECAlgorithm.to_jwk(key)
        case Ed25519PublicKey():
            found = OKPAlgorithm.to_jwk(key)
        case _:
            raise ValueError("is a public key of a kind that signs no tokens")
    return {"keys": [json.loads(found)]}
