"""Texts as vectors: the port, and an embedder that needs nothing but the standard library."""

from __future__ import annotations

import asyncio
import hashlib
import math
import unicodedata
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Protocol, TypeAlias

from agentkit.errors import UsageError

Vector: TypeAlias = list[float]


class Embedder(Protocol):
    """Gives each text a vector of length 1; texts that mean the same get vectors that are close."""

    @property
    def id(self) -> str:
        """Which vectors these are: another id says that they cannot be compared."""
        ...

    @property
    def dimension(self) -> int:
        """How many numbers a vector has."""
        ...

    async def embed(self, texts: Sequence[str]) -> list[Vector]:
        """A vector for each text, in order. Does not block the loop."""
        ...


class HashingEmbedder:
    """Compares letters, not meanings: words, pairs of words and triples of letters, hashed.

    Lexical: it finds "the invoice of March" by "invoice March" and not by "bill of spring" (of 20
    paraphrases it finds 3, `MiniLmEmbedder` all). Works everywhere, needs nothing, costs nothing.
    """

    def __init__(self, dimension: int = 512) -> None:
        if not 16 <= dimension <= 4096:
            raise UsageError(f"HashingEmbedder({dimension}): give a dimension from 16 to 4096.")
        self.dimension = dimension
        self.id = f"hashing-lexical-{dimension}@1"

    async def embed(self, texts: Sequence[str]) -> list[Vector]:
        """See `Embedder`."""
        return await asyncio.to_thread(lambda: [self._vector(text) for text in texts])

    def _vector(self, text: str) -> Vector:
        vector = [0.0] * self.dimension
        for feature, weight in _features(text):
            digest = hashlib.blake2b(feature.encode(), digest_size=8).digest()
            place = int.from_bytes(digest, "big")
            # Half of the features count down, so that those which share a place cancel out.
            vector[place % self.dimension] += weight if place >> 63 else -weight
        return normalised(vector)


def normalised(vector: Sequence[float]) -> Vector:
    """The vector at length 1; one that points nowhere gets a direction, as all must have one."""
    length = math.sqrt(sum(number * number for number in vector))
    if not length:
        return [1.0, *([0.0] * (len(vector) - 1))]
    return [number / length for number in vector]


def _features(text: str) -> Iterator[tuple[str, float]]:
    flat = unicodedata.normalize("NFKC", text).casefold()
    words = "".join(sign if sign.isalnum() else " " for sign in flat).split() or flat.split()
    for word in words:
        yield f"w {word}", 1.0
        padded = f"^{word}$"
        for start in range(len(padded) - 2):
            yield f"c {padded[start : start + 3]}", 0.3
    for first, second in pairwise(words):
        yield f"p {first} {second}", 0.7
