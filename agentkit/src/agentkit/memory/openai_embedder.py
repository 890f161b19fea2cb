"""Embeddings of OpenAI, or of any server that has the same endpoint."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial

from agentkit.errors import ModelMisbehaved, UsageError
from agentkit.llm.connections import http_client
from agentkit.llm.failures import without_password
from agentkit.llm.keys import checked_key
from agentkit.llm.openai_errors import Server, translate
from agentkit.llm.retry import RetryPolicy
from agentkit.memory.embedding import Vector, normalised

_OFFICIAL_URL = "https://api.openai.com/v1"

_DIMENSIONS = {"text-embedding-3-small": 1536, "text-embedding-3-large": 3072}

BATCH = 100
"""Texts of one request: as long as entries may be, they stay below the provider's 300,000 tokens."""


class OpenAiEmbedder:
    """A model of embeddings by its name and key; `dimension` is needed for models not known here.

    `base_url` is the root of another server, ending in /v1. What embeddings cost is in no run's
    usage. Raises UsageError when the `openai` extra is not installed or something is missing.
    """

    def __init__(
        self,
        model: str = "text-embedding-3-small",
        *,
        api_key: str,
        dimension: int | None = None,
        base_url: str | None = None,
        name: str = "openai",
        retry: RetryPolicy | None = None,
        timeout_s: float = 30.0,
    ) -> None:
        # Imported here: the SDK takes a second to import, and belongs to those who use it.
        try:
            import openai
        except ImportError:
            raise UsageError(
                "The OpenAI embedder needs its SDK: pip install 'agentkit[openai]'."
            ) from None
        checked_key(name, api_key, "give one (any text where none is needed)")
        known = dimension or _DIMENSIONS.get(model)
        if known is None:
            raise UsageError(f"OpenAiEmbedder({model!r}): say how many numbers its vectors have.")
        self.id = f"{name}/{model}"
        self.dimension = known
        self._model = model
        self._name = name
        url = base_url or _OFFICIAL_URL
        self._server = Server(name, without_password(url), api_key)
        self._retry = retry or RetryPolicy()
        # base_url is always given: without it the SDK would read the environment.
        self._sdk = openai.AsyncOpenAI(
            api_key=api_key,
            base_url=url,
            http_client=http_client(),
            max_retries=0,
            timeout=timeout_s,
        )
        self._sdk.organization = self._sdk.project = None  # no more does it here

    async def embed(self, texts: Sequence[str]) -> list[Vector]:
        """See `Embedder`. One request for each 100 texts, each with its own budget of retries."""
        vectors: list[Vector] = []
        for start in range(0, len(texts), BATCH):
            vectors += await self._retry.call(partial(self._ask, texts[start : start + BATCH]))
        return vectors

    async def aclose(self) -> None:
        """Close the connections; the embedder cannot be used afterwards."""
        await self._sdk.close()

    async def _ask(self, texts: Sequence[str]) -> list[Vector]:
        with self._translated():
            answer = await self._sdk.embeddings.create(
                model=self._model, input=list(texts), encoding_format="float"
            )
            vectors = [each.embedding for each in sorted(answer.data, key=lambda each: each.index)]
        sizes = {len(vector) for vector in vectors}
        if len(vectors) != len(texts) or sizes != {self.dimension}:
            raise ModelMisbehaved(
                f"{self._name} gave {len(vectors)} vectors of {sorted(sizes)} numbers for "
                f"{len(texts)} texts and {self.dimension}: check the model and its dimension."
            )
        return [normalised(vector) for vector in vectors]

    @contextmanager
    def _translated(self) -> Iterator[None]:
        import openai

        try:
            yield
        # What is no list of vectors leaves the SDK as whatever its absence led to.
        except (openai.OpenAIError, ValueError, TypeError, AttributeError) as error:
            raise translate(error, self._server) from None
