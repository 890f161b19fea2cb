"""Agents that an operator writes into YAML files, read whole before anything starts.

    agents:
      NAME: {description, instructions, tools, handoffs, …}

A path is such a file, or a folder of them (`*.yaml`, `*.yml`). What is wrong is told with its line.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import yaml

from ops_core.errors import FieldError, InvalidRequest
from ops_core.task import JsonObject

#: What is larger is no file of agents. Bytes.
_LARGEST_FILE: Final = 1_048_576

Check = Callable[[str, JsonObject], None]
"""Raises `InvalidRequest` for a name and a definition that are none."""


class DefinitionsError(Exception):
    """The files cannot be used; the message has one line for each mistake."""


@dataclass(frozen=True, slots=True)
class Written:
    """One agent as it stands in a file."""

    name: str
    definition: JsonObject
    file: Path
    node: yaml.Node

    def mistakes(self, error: InvalidRequest) -> DefinitionsError:
        """What is wrong with it, each with its line."""
        return DefinitionsError("\n".join(self._mistake(field) for field in error.errors))

    def _mistake(self, field: FieldError) -> str:
        way = field.path.split(".")[1:]
        line = _line_of(self.node, way)
        place = ".".join(("agents", self.name, *way))
        return f"{self.file}:{line}: {place}: {field.message}"


def load(path: Path, check: Check) -> list[Written]:
    """The agents of the path, those that others hand work over to first. Raises `DefinitionsError`."""
    written = [agent for file in _files(path) for agent in _read(file)]
    problems = [*_twice(written)]
    for agent in written:
        try:
            check(agent.name, agent.definition)
        except InvalidRequest as error:
            problems.append(str(agent.mistakes(error)))
    if problems:
        raise DefinitionsError("\n".join(problems))
    return _ordered(written)


def _files(path: Path) -> Sequence[Path]:
    if not path.is_dir():
        return [path]
    return sorted(file for file in path.iterdir() if file.suffix in {".yaml", ".yml"})


def _read(file: Path) -> Iterator[Written]:
    try:
        with file.open("rb") as opened:
            text = opened.read(_LARGEST_FILE + 1)
    except OSError as error:
        raise DefinitionsError(f"{file} cannot be read: {error.strerror}") from None
    if len(text) > _LARGEST_FILE:
        raise DefinitionsError(f"{file} is larger than {_LARGEST_FILE} bytes")
    try:
        root, data = _parsed(file, text)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f"{file}:{mark.line + 1}" if mark is not None else str(file)
        raise DefinitionsError(f"{where}: is no YAML") from None
    agents = data.get("agents") if isinstance(data, dict) else None
    if not isinstance(agents, dict) or set(data) != {"agents"}:
        raise DefinitionsError(
            f"{file}:1: must hold `agents:` with names below it, and nothing else"
        )
    for name, definition in agents.items():
        node = _below(root, ["agents", str(name)])
        if not isinstance(name, str) or not isinstance(definition, dict):
            line = node.start_mark.line + 1
            raise DefinitionsError(
                f"{file}:{line}: agents.{name}: must be a name with fields below it"
            )
        yield Written(name, definition, file, node)


def _parsed(file: Path, text: bytes) -> tuple[yaml.Node, Any]:
    for event in yaml.parse(text, Loader=yaml.SafeLoader):
        # A few lines of them can stand for gigabytes.
        if isinstance(event, yaml.AliasEvent):
            line = event.start_mark.line + 1 if event.start_mark else 1
            raise DefinitionsError(f"{file}:{line}: aliases (*{event.anchor}) are not taken")
    root = yaml.compose(text, Loader=yaml.SafeLoader)
    if root is None:
        raise DefinitionsError(f"{file}:1: is empty")
    for node in _nodes(root):
        _refuse_twice(file, node)
    return root, yaml.safe_load(text)


def _nodes(node: yaml.Node) -> Iterator[yaml.Node]:
    yield node
    children = node.value if isinstance(node, yaml.CollectionNode) else ()
    for child in children:
        for part in child if isinstance(child, tuple) else (child,):
            yield from _nodes(part)


def _refuse_twice(file: Path, node: yaml.Node) -> None:
    """YAML would take the second one in silence."""
    if not isinstance(node, yaml.MappingNode):
        return
    seen: set[object] = set()
    for key, _ in node.value:
        name = key.value if isinstance(key, yaml.ScalarNode) else None
        if name in seen:
            raise DefinitionsError(f"{file}:{key.start_mark.line + 1}: {name} is written twice")
        seen.add(name)


def _below(node: yaml.Node, way: Sequence[str]) -> yaml.Node:
    """The node at the end of the way, or the last one there is on it."""
    for step in way:
        if isinstance(node, yaml.MappingNode):
            found = [value for key, value in node.value if key.value == step]
        elif isinstance(node, yaml.SequenceNode) and step.isdecimal():
            found = node.value[int(step) : int(step) + 1]
        else:
            break
        if not found:
            break
        node = found[0]
    return node


def _line_of(node: yaml.Node, way: Sequence[str]) -> int:
    """Where the key stands, if the way leads to one: its value may begin a line below."""
    parent = _below(node, way[:-1])
    keys = parent.value if isinstance(parent, yaml.MappingNode) else ()
    key = next((key for key, _ in keys if way and key.value == way[-1]), None)
    line: int = (key or _below(node, way)).start_mark.line + 1
    return line


def _twice(written: Sequence[Written]) -> Iterator[str]:
    first: dict[str, Written] = {}
    for agent in written:
        other = first.setdefault(agent.name, agent)
        if other is not agent:
            line = agent.node.start_mark.line
            yield f"{agent.file}:{line}: agents.{agent.name}: is in {other.file} as well"


def _ordered(written: Sequence[Written]) -> list[Written]:
    """Those that work is handed over to before those that do; a circle is left for the service to refuse."""
    by_name = {agent.name: agent for agent in written}
    ordered: dict[str, Written] = {}

    def place(agent: Written, above: Mapping[str, None]) -> None:
        for text in agent.definition.get("handoffs", ()):
            name = text.partition("@")[0]
            if name in by_name and name not in above:
                place(by_name[name], {**above, name: None})
        ordered.setdefault(agent.name, agent)

    for agent in written:
        place(agent, {agent.name: None})
    return list(ordered.values())
