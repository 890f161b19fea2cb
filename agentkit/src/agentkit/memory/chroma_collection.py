"""The collection that holds the vectors, and the record of who made them."""

from __future__ import annotations

import re
from typing import Any

from agentkit.errors import UsageError
from agentkit.memory.admission import RESERVED
from agentkit.memory.embedding import Embedder

_EMBEDDER = f"{RESERVED}embedder"
_DIMENSION = f"{RESERVED}dimension"

_NAME = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9._-]{1,126}[a-zA-Z0-9]")
"""What Chroma takes, but for lengths beyond any use."""


def opened(client: Any, name: str, embedder: Embedder) -> Any:
    """The collection of that name, made when there is none.

    Raises UsageError when its vectors are of another embedder: they would be compared with ours,
    and what is found would mean nothing.
    """
    if not _NAME.fullmatch(name):
        raise UsageError(
            f"Collection {name[:128]!r}: a name is 3 to 128 letters, digits, dots, _ and -, with a "
            "letter or digit at both ends."
        )
    made_by = {_EMBEDDER: embedder.id, _DIMENSION: embedder.dimension}
    collection = _found(client, name) or client.create_collection(
        name,
        metadata=made_by,
        configuration={"hnsw": {"space": "cosine"}},
        embedding_function=None,  # its own default downloads a model
        get_or_create=True,  # another process may have made it just now
    )
    recorded = {key: (collection.metadata or {}).get(key) for key in made_by}
    if recorded != made_by:
        raise UsageError(
            f"Collection {name!r} has vectors of {recorded[_EMBEDDER] or 'an unknown embedder'} "
            f"({recorded[_DIMENSION]} numbers each), and this memory makes those of {embedder.id} "
            f"({embedder.dimension}): use that embedder, or another collection."
        )
    return collection


def _found(client: Any, name: str) -> Any:
    from chromadb.errors import NotFoundError  # imported here, as chromadb is

    try:
        return client.get_collection(name, embedding_function=None)
    except NotFoundError:
        return None
