"""What a tool's JSON Schema wants at a place of its arguments."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Wanted:
    """The alternatives that a schema leaves for one value; `root` is where its `$ref`s lead."""

    root: Mapping[str, Any]
    alternatives: tuple[Mapping[str, Any], ...]

    @staticmethod
    def by(parameters: Mapping[str, Any]) -> Wanted:
        """What the schema of a tool wants."""
        return Wanted(parameters, tuple(_alternatives(parameters, parameters)))

    @property
    def only_text(self) -> bool:
        """Whether a text fits and nothing else does; `str | None` is such a schema, too."""
        kinds: set[Any] = set()
        for one in self.alternatives:
            kind = one.get("type")
            kinds.update(kind if isinstance(kind, list) else [kind])
        return "string" in kinds and kinds <= {"string", "null"}

    def field(self, name: str) -> Wanted:
        """What is wanted for this field of an object."""
        return self._inner(
            _of(one, "properties").get(name, one.get("additionalProperties"))
            for one in self.alternatives
        )

    def item(self, at: int) -> Wanted:
        """What is wanted for this item of a list."""
        return self._inner(
            dict(enumerate(one.get("prefixItems") or ())).get(at, one.get("items"))
            for one in self.alternatives
        )

    def _inner(self, schemas: Iterator[Any]) -> Wanted:
        found = (inner for schema in schemas for inner in _alternatives(schema, self.root))
        return Wanted(self.root, tuple(found))


def _alternatives(
    schema: Any, root: Mapping[str, Any], followed: tuple[str, ...] = ()
) -> Iterator[Mapping[str, Any]]:
    if not isinstance(schema, Mapping):
        return
    reference = schema.get("$ref")
    if isinstance(reference, str) and reference not in followed:
        target = _of(root, "$defs").get(reference.removeprefix("#/$defs/"))
        yield from _alternatives(target, root, (*followed, reference))
        return
    parts = [part for kind in ("anyOf", "oneOf", "allOf") for part in schema.get(kind) or ()]
    for part in parts:
        yield from _alternatives(part, root, followed)
    if not parts:
        yield schema


def _of(schema: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    found = schema.get(key)
    return found if isinstance(found, Mapping) else {}
