"""aimock, the simulator from npm: plays fixtures, in the dialect of whatever path is asked."""

import json
import re
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, assert_never

import httpx2

from support.model_script import Answer, Breaks, Dialect, Fails, Says, Unfinished, Waits
from support.npm import installed, node

#: Milliseconds of latency that no test waits for; the longest that aimock takes.
FOR_EVER_MS = 30_000

PATHS = {"openai": "/v1", "openrouter": "/api/v1", "anthropic": "", "google": ""}

USAGE = {"prompt_tokens": 20, "completion_tokens": 10, "total_tokens": 30}

LISTENING = re.compile(r"listening on (http://\S+)")


class Aimock:
    """A `ModelServer`."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._control = httpx2.Client(base_url=f"{url}/__aimock", timeout=10)

    def url(self, dialect: Dialect) -> str:
        return self._url + PATHS[dialect.name]

    def play(self, dialect: Dialect, *answers: Answer, stream: bool = False) -> None:
        self._control.post("/reset").raise_for_status()
        last = len(answers) - 1
        fixtures = [
            # Counts are kept for each match; without one, the last is played from then on.
            {
                "match": {} if order == last else {"sequenceIndex": order},
                **_fixture(dialect, answer),
            }
            for order, answer in enumerate(answers)
        ]
        self._control.post("/fixtures", json={"fixtures": fixtures}).raise_for_status()

    def requests(self) -> int:
        return len(self._control.get("/journal").raise_for_status().json())

    def close(self) -> None:
        self._control.close()


@contextmanager
def running(wanted: Path, folder: Path) -> Iterator[Aimock]:
    """aimock as the lock in `wanted` says, on a port of its own; `folder` holds what it reads."""
    program = installed(wanted) / "@copilotkit" / "aimock" / "dist" / "cli.js"
    nothing = folder / "fixtures.json"
    nothing.write_text(json.dumps({"fixtures": []}))
    command = [str(node()), str(program), "--port", "0", "--fixtures", str(nothing)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as process:
        try:
            aimock = Aimock(_address(process))
            yield aimock
            aimock.close()
        finally:
            process.kill()


def _address(process: subprocess.Popen[bytes]) -> str:
    said = []
    for line in process.stdout or ():
        said.append(line.decode(errors="replace"))
        if found := LISTENING.search(said[-1]):
            return found[1]
    raise AssertionError(f"aimock did not start: {''.join(said)}")


def _fixture(dialect: Dialect, answer: Answer) -> dict[str, Any]:
    match answer:
        case Says(text, calls):
            # Left to itself it tells Gemini's clients FUNCTION_CALL, which that API never says.
            says = {"finishReason": "stop"} if dialect.name == "google" else {}
            return {"response": {**_response(text, calls), **says}}
        case Fails(status, retry_after_s):
            error = {"message": "no", "type": "error"}
            return {"response": {"error": error, "status": status, "retryAfter": retry_after_s}}
        case Waits():
            return {"response": _response("late", ()), "chaos": {"latencyMs": FOR_EVER_MS}}
        case Breaks("cut", text):
            return {"response": _response(text, ()), "truncateAfterChunks": 2}
        case Breaks("stalled", text):
            # The first chunk, which may be without words, at once; the next after a hundred seconds.
            return {
                "response": _response(text, ()),
                "streamingProfile": {"ttft": 0, "tps": 0.01, "jitter": 0},
            }
        case Breaks("malformed"):
            return {"response": _response("odd", ()), "chaos": {"malformedRate": 1}}
        case Breaks() | Unfinished():
            raise NotImplementedError(f"aimock cannot play {answer}")
        case _:
            assert_never(answer)


def _response(text: str, calls: Sequence[tuple[str, dict[str, Any]]]) -> dict[str, Any]:
    response: dict[str, Any] = {"usage": USAGE}
    if calls:
        response["toolCalls"] = [{"name": name, "arguments": made} for name, made in calls]
    if text or not calls:
        response["content"] = text
    return response
