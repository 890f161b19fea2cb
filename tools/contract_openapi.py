"""What in a new OpenAPI document breaks a client that was written for an old one.

A client sends what the old document allows, and reads what the old one promises. So a request may only become
wider, an answer only more; but for values of an enum in an answer, which clients are told may become more.
"""

from collections.abc import Iterator
from typing import Any, Final

Json = dict[str, Any]

METHODS: Final = ("get", "put", "post", "delete", "patch")

#: Bounds of a request that may not become tighter: whose they are, the keyword, and the sign of tighter.
BOUNDS: Final = (
    ("string", "maxLength", -1),
    ("string", "minLength", 1),
    ("array", "maxItems", -1),
    ("number", "maximum", -1),
    ("number", "minimum", 1),
    ("integer", "maximum", -1),
    ("integer", "minimum", 1),
)


def changes(old: Json, new: Json) -> Iterator[str]:
    """One line for each change that breaks a client."""
    for path, operations in old["paths"].items():
        for method in (one for one in METHODS if one in operations):
            where = f"{method.upper()} {path}"
            now = new["paths"].get(path, {}).get(method)
            if now is None:
                yield f"{where}: removed"
            else:
                yield from _operation(where, Both(old, new), operations[method], now)


class Both:
    """The two documents, in which references are looked up."""

    def __init__(self, old: Json, new: Json) -> None:
        self.old = old
        self.new = new
        self.is_request = True
        self._seen: set[tuple[str, str]] = set()

    def compared(self, where: str, old: Json, new: Json) -> Iterator[str]:
        """What changed for the worse between two schemas."""
        pair = (old.get("$ref", ""), new.get("$ref", ""))
        if all(pair) and pair in self._seen:
            return
        self._seen.add(pair)
        yield from _schema(
            where, self, _variants(self.old, old), _variants(self.new, new), self.is_request
        )
        self._seen.discard(pair)


def _operation(where: str, both: Both, old: Json, new: Json) -> Iterator[str]:
    both.is_request = True
    yield from _parameters(where, both, old.get("parameters", []), new.get("parameters", []))
    yield from _bodies(f"{where} body", both, old.get("requestBody"), new.get("requestBody"))
    both.is_request = False
    for status, answer in old.get("responses", {}).items():
        now = new.get("responses", {}).get(status)
        if now is None and status.startswith("2"):
            yield f"{where}: answer {status} removed"
        elif now is not None:
            yield from _bodies(f"{where} {status}", both, answer, now)


def _parameters(where: str, both: Both, old: list[Json], new: list[Json]) -> Iterator[str]:
    before = {(one["in"], one["name"]): one for one in old}
    after = {(one["in"], one["name"]): one for one in new}
    for (place, name), one in before.items():
        now = after.get((place, name))
        if now is None:
            yield f"{where}: {place} parameter {name} removed"
        else:
            yield from both.compared(
                f"{where} {name}", one.get("schema", {}), now.get("schema", {})
            )
    for (place, name), one in after.items():
        was = before.get((place, name), {})
        if one.get("required") and not was.get("required"):
            yield f"{where}: {place} parameter {name} is required now"


def _bodies(where: str, both: Both, old: Json | None, new: Json | None) -> Iterator[str]:
    if new and new.get("required") and not (old or {}).get("required") and both.is_request:
        yield f"{where}: is required now"
    for media, content in ((old or {}).get("content") or {}).items():
        now = ((new or {}).get("content") or {}).get(media)
        if now is None:
            yield f"{where}: {media} removed"
        else:
            yield from both.compared(where, content.get("schema", {}), now.get("schema", {}))


def _schema(
    where: str, both: Both, old: list[Json], new: list[Json], is_request: bool
) -> Iterator[str]:
    was, now = _types(old), _types(new)
    gone = was - now if is_request else now - was
    if gone and "any" not in (now if is_request else was):
        yield f"{where}: type was {_named(was)}, is {_named(now)}"
    for value in _enum(old) - _enum(new) if _enum(new) else ():
        yield f"{where}: value {value!r} removed"
    if is_request and _enum(new) and not _enum(old):
        yield f"{where}: only {_named(_enum(new))} are accepted now"
    if is_request:
        yield from _bounds(where, old, new)
    yield from _properties(where, both, old, new)
    items = [[one["items"] for one in side if "items" in one] for side in (old, new)]
    if all(items):
        yield from both.compared(f"{where}[]", items[0][0], items[1][0])


def _properties(where: str, both: Both, old: list[Json], new: list[Json]) -> Iterator[str]:
    before, after = _merged(old, "properties"), _merged(new, "properties")
    for name, schema in before.items():
        if name in after:
            yield from both.compared(f"{where}.{name}", schema, after[name])
        elif after or not any(one.get("additionalProperties") for one in new):
            yield f"{where}.{name}: removed"
    needed = [{name for one in side for name in one.get("required", [])} for side in (old, new)]
    if both.is_request:
        for name in sorted(needed[1] - needed[0]):
            yield f"{where}.{name}: is required now"
    else:
        for name in sorted((needed[0] - needed[1]) & after.keys()):
            yield f"{where}.{name}: is not always there any more"


def _bounds(where: str, old: list[Json], new: list[Json]) -> Iterator[str]:
    """A type that was refused before may come with any bounds."""
    for kind, keyword, sign in BOUNDS:
        before = [one for one in old if one.get("type") == kind]
        was, now = (
            [one[keyword] for one in side if one.get("type") == kind and keyword in one]
            for side in (old, new)
        )
        if before and now and (not was or (now[0] - was[0]) * sign > 0):
            yield f"{where}: {keyword} was {was[0] if was else 'not set'}, is {now[0]}"


def _variants(document: Json, schema: Json) -> list[Json]:
    """The schema's alternatives, with references followed."""
    if "$ref" in schema:
        found: Any = document
        for part in schema["$ref"].removeprefix("#/").split("/"):
            found = found[part]
        return _variants(document, found)
    for keyword in ("anyOf", "oneOf", "allOf"):
        if keyword in schema:
            return [each for one in schema[keyword] for each in _variants(document, one)]
    return [schema]


def _types(variants: list[Json]) -> set[str]:
    found: set[str] = set()
    for one in variants:
        kind = one.get("type")
        values = one.get("enum", [one["const"]] if "const" in one else [])
        named = [kind] if isinstance(kind, str) else list(kind or [])
        found |= (
            set(named) or {"string" if isinstance(v, str) else "any" for v in values} or {"any"}
        )
    # An integer is a number to whoever reads one.
    return found - ({"integer"} if "number" in found else set())


def _enum(variants: list[Json]) -> set[str]:
    """The only values there are; empty where there are others."""
    valued = [one for one in variants if one.get("type") != "null"]
    if not valued or not all("enum" in one or "const" in one for one in valued):
        return set()
    return {str(value) for one in valued for value in one.get("enum", [one.get("const")])}


def _merged(variants: list[Json], keyword: str) -> Json:
    return {name: value for one in variants for name, value in one.get(keyword, {}).items()}


def _named(names: set[str]) -> str:
    return " or ".join(sorted(names))
