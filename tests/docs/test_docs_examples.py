"""Examples of the documents that need no server are run as they are written."""

import subprocess
import sys
from pathlib import Path

import grpc
import pytest

from support.documents import blocks, read


def test_the_example_of_a_tool_prints_what_its_page_says(tmp_path: Path) -> None:
    page = read("docs/how-to/write-a-tool.md")
    [example] = blocks(page, "python")
    script = tmp_path / "example.py"
    script.write_text(example, encoding="utf-8")
    done = subprocess.run([sys.executable, script], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert f"It prints `{done.stdout.strip()}`" in page


def test_the_example_of_grpc_fits_the_stubs() -> None:
    """It stops where it needs a server: at the call, not at a name that the stubs do not have."""
    [example] = blocks(read("docs/reference/grpc.md"), "python")
    with pytest.raises(grpc.RpcError) as stopped:
        exec(example.replace("127.0.0.1:50051", "127.0.0.1:1"), {})  # noqa: S102  # our own page
    assert grpc.StatusCode.UNAVAILABLE is stopped.value.code()
