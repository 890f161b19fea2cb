"""REST as its document describes it: schemathesis walks from operation to operation, and tries each alone."""

import contextlib
import itertools
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Any, Final
from urllib.parse import unquote, urlsplit

import requests
import schemathesis
from asgi_call import Answer
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st
from hypothesis.errors import Flaky
from schemathesis import Response
from schemathesis.checks import not_a_server_error
from schemathesis.core.failures import FailureGroup
from schemathesis.core.result import Ok
from schemathesis.generation.stateful import run_state_machine_as_test
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

#: What is asked of each answer: no fault of ours, and nothing that the document does not say.
CHECKS: Final[list[Any]] = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
    response_headers_conformance,
]

#: A walk has at most so many steps.
STEPS: Final = 25

#: An answer that takes longer is none. Seconds.
PATIENCE_S: Final = 20.0

_MODES: Final = (schemathesis.GenerationMode.POSITIVE, schemathesis.GenerationMode.NEGATIVE)

Case = schemathesis.Case[Any]

Send = Callable[[requests.PreparedRequest], Response]
"""Sends a request. Raises `TimeoutError` when there is no answer in time."""


@dataclass
class Fuzzed:
    """What was called, and what was wrong with the answers."""

    send: Send
    key: str
    ids: Mapping[str, Sequence[str]]
    """Ids that exist, by the name of the parameter."""

    dice: Random
    calls: Counter[tuple[str, int]] = field(default_factory=Counter)
    """By operation and status."""

    wrong: list[str] = field(default_factory=list)

    @property
    def made(self) -> int:
        return self.calls.total()

    def call(self, case: Case) -> Response:
        self._help(case)
        said = case.as_transport_kwargs(base_url="http://localhost")
        parts = ("method", "url", "headers", "params", "data", "json", "files", "cookies")
        request = requests.Request(**{k: v for k, v in said.items() if k in parts}).prepare()
        request.headers["Authorization"] = f"Bearer {self.key}"
        name = case.operation.definition.raw["operationId"]
        try:
            response = self.send(request)
        except TimeoutError:
            self.wrong.append(f"no answer in time: {request.method} {request.url}")
            raise
        self.calls[name, response.status_code] += 1
        return response

    def check(self, case: Case, response: Response) -> None:
        """Raises `AssertionError` for an answer that breaks a rule."""
        try:
            case.validate_response(response, checks=CHECKS)
        except FailureGroup as failures:
            told = "\n".join(map(str, failures.exceptions))
            asked = f"{response.request.method} {response.request.url} {response.request.body!r}"
            self.wrong.append(f"{asked[:2000]}\n{told[:3000]}\n{response.content[:1000]!r}")
            raise AssertionError(self.wrong[-1]) from None

    def _help(self, case: Case) -> None:
        """Half of the time names what exists: chance alone never hits an id, and a document has no goals."""
        for name in case.path_parameters or ():
            known = self.ids.get(name)
            is_own = case.path_parameters[name] == f"key_{self.key.split('_')[1]}"
            if known and (is_own or self.dice.random() < 0.5):
                case.path_parameters[name] = self.dice.choice(known)
        fitting = _FITTING.get(case.operation.definition.raw["operationId"])
        if fitting and isinstance(case.body, dict) and self.dice.random() < 0.6:
            case.body.update(fitting)


#: What the document leaves open, and the domain does not.
_FITTING: Final[Mapping[str, dict[str, Any]]] = {
    "create_task": {"task_type": "agent_run", "input_data": {"goal": "x"}, "agent": "default"},
    "create_webhook": {"url": "https://hooks.example.org/x", "events": ["*"]},
    "create_schedule": {
        "cron": "* * * * *",
        "every_s": None,
        "time_zone": "UTC",
        "task": {"task_type": "agent_run", "input_data": {"goal": "x"}},
    },
    "create_tenant": {"tenant_id": "acme"},
}


def how_many(calls: int) -> int:
    """Walks that make at most so many calls, and no more than a round of them."""
    return max(1, min(50, calls // STEPS))


def walk(document: dict[str, Any], fuzzed: Fuzzed, *, calls: int, start: int) -> None:
    """Scenarios of several steps, each with what the step before it was told."""
    machine: Any = schemathesis.openapi.from_dict(document).as_state_machine()

    class Walk(machine):  # type: ignore[misc]
        def call(self, case: Case, **_: Any) -> Response:
            return fuzzed.call(case)

        def validate_response(self, response: Response, case: Case, *_: Any, **__: Any) -> None:
            fuzzed.check(case, response)

    for number in itertools.count(start * 10_000):
        left = calls - fuzzed.made
        if left <= 0 or fuzzed.wrong:
            return
        seed(number)(Walk)
        # A server remembers, so a walk that Hypothesis plays again may go another way: then it begins anew.
        with contextlib.suppress(Flaky):
            run_state_machine_as_test(
                Walk, settings=_settings(how_many(left), stateful_step_count=STEPS)
            )


def try_each(document: dict[str, Any], fuzzed: Fuzzed, *, cases: int, start: int) -> None:
    """Requests of every operation, as the document has them and as it does not."""
    schema = schemathesis.openapi.from_dict(document)
    operations = [result.ok() for result in schema.get_all_operations() if isinstance(result, Ok)]
    strategies = [op.as_strategy(generation_mode=mode) for op in operations for mode in _MODES]

    @seed(start)
    @_settings(cases)
    @given(st.sampled_from(strategies).flatmap(lambda chosen: chosen))
    def each(case: Case) -> None:
        fuzzed.check(case, fuzzed.call(case))

    try:
        each()
    except Flaky:
        assert fuzzed.wrong, "nothing is drawn from what was answered"


def _settings(examples: int, **more: Any) -> settings:
    return settings(
        max_examples=examples,
        phases=[Phase.generate],
        database=None,
        deadline=None,
        suppress_health_check=list(HealthCheck),
        **more,
    )


def in_process(ask: Callable[..., Answer]) -> Send:
    """Without a socket: `ask` is `asgi_call.call` for an application, made to wait."""

    def send(request: requests.PreparedRequest) -> Response:
        url, body = urlsplit(str(request.url)), request.body or b""
        answer = ask(
            str(request.method),
            unquote(url.path),
            query=url.query,
            headers={name: _text(value) for name, value in request.headers.items()},
            body=body.encode() if isinstance(body, str) else body,
            timeout_s=PATIENCE_S,
        )
        headers = {name: [value] for name, value in answer.headers.items()}
        return Response(answer.status, headers, answer.body, request, 0.0, verify=False)

    return send


@contextlib.contextmanager
def over_socket(url: str) -> Iterator[Send]:
    """To a server that listens there."""
    with requests.Session() as session:

        def send(request: requests.PreparedRequest) -> Response:
            request.url = str(request.url).replace("http://localhost", url, 1)
            try:
                answered = session.send(request, timeout=PATIENCE_S)
            except requests.Timeout:
                raise TimeoutError from None
            return Response.from_requests(answered, verify=False)

        yield send


def _text(value: str | bytes) -> str:
    return value if isinstance(value, str) else value.decode("latin-1")
