"""Headers of a request, where every request pays for reading them."""

from starlette.types import Scope


def header(scope: Scope, name: bytes) -> str | None:
    """The first header of that name, which is in small letters as ASGI gives them."""
    for each, value in scope["headers"]:
        if each == name:
            text: str = value.decode("latin-1")
            return text
    return None
