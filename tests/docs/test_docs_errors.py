"""docs/reference/errors.md lists the types, statuses and codes that the code has."""

import ast
from collections.abc import Iterator

from agentkit.errors import AgentError
from ops_core.api.errors import HTTP_TYPES, STATUSES
from ops_core.errors import BrokerUnavailable, OpsError
from ops_core.rpc.status import CODES
from support.documents import ROOT, names, read, rows, section

PAGE = read("docs/reference/errors.md")
REQUESTS = {
    names(row[0])[0]: row for row in rows(section(PAGE, "A request that is not carried out"))
}
TASKS = {names(row[0])[0]: row for row in rows(section(PAGE, "A task that fails"))}

#: Where tasks are failed, beside what agentkit raises.
FAILING = [
    *sorted((ROOT / "src/opspawn/agents").glob("*.py")),
    ROOT / "ops-core/src/ops_core/execute.py",
    ROOT / "ops-core/src/ops_core/moves.py",
    ROOT / "ops-core/src/ops_core/journal.py",
    ROOT / "ops-core/src/ops_core/purse.py",
    ROOT / "ops-core/src/ops_core/replay.py",
]

#: Bases that nobody raises: what is raised is one of their kinds.
ABSTRACT = {"agent_error", "provider_error"}


def leaves(cls: type[OpsError]) -> Iterator[type[OpsError]]:
    """The errors of a kind that clients can see."""
    kinds = [kind for kind in cls.__subclasses__() if kind is not BrokerUnavailable]
    if not kinds:
        yield cls
    for kind in kinds:
        yield from leaves(kind)


def kinds_of(cls: type[AgentError]) -> Iterator[type[AgentError]]:
    yield cls
    for kind in cls.__subclasses__():
        yield from kinds_of(kind)


def types_in(source: str) -> Iterator[str]:
    """The types that a module gives to TaskFailed and TaskError, or keeps in `_NO_ANSWER` for them."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            if node.func.id not in {"TaskFailed", "TaskError"}:
                continue
            keywords = [word.value for word in node.keywords if word.arg in {"type", "error_type"}]
            for value in (*node.args[:1], *keywords):
                if isinstance(value, ast.Constant):
                    yield str(value.value)
        if isinstance(node, ast.AnnAssign) and ast.unparse(node.target) == "_NO_ANSWER":
            assert node.value is not None
            yield from (kind for kind, _ in ast.literal_eval(node.value).values())


def test_every_refusal_has_its_rest_status() -> None:
    expected = {leaf.type: status for cls, (status, _) in STATUSES.items() for leaf in leaves(cls)}
    expected |= {type_: status for status, (type_, _) in HTTP_TYPES.items()}
    expected |= {"internal": 500, "not_ready": 503}
    assert expected == {type_: int(row[1]) for type_, row in REQUESTS.items()}


def test_every_refusal_has_its_grpc_code() -> None:
    expected = {leaf.type: code.name for cls, code in CODES.items() for leaf in leaves(cls)}
    written = {type_: names(row[2])[0] for type_, row in REQUESTS.items() if row[2]}
    assert expected | {"internal": "INTERNAL"} == written


def test_every_error_of_a_task_is_listed() -> None:
    raised = {cls.type for cls in kinds_of(AgentError)} - ABSTRACT
    given = {type_ for path in FAILING for type_ in types_in(path.read_text(encoding="utf-8"))}
    assert raised | given == set(TASKS)


def test_what_an_agent_raises_is_retryable_as_the_table_says() -> None:
    raised = {cls for cls in kinds_of(AgentError) if cls.type not in ABSTRACT}
    expected = {cls.type: "yes" if cls.retryable else "no" for cls in raised}
    assert expected == {type_: TASKS[type_][1] for type_ in expected}
