"""Bytes for every method: messages that fit it, those at the bounds of its types, and what is no message."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from google.protobuf import descriptor, message_factory
from google.protobuf.message import Message
from google.protobuf.struct_pb2 import ListValue, Struct, Value
from google.protobuf.timestamp_pb2 import Timestamp
from hypothesis import strategies as st

Bytes = st.SearchStrategy[bytes]
Field = descriptor.FieldDescriptor

_WORDS: Final = st.one_of(
    st.sampled_from(["", "agent_run", "default", "day", "1/tool/1", "UTC", "* * * * *", "x" * 300]),
    st.sampled_from(
        ["\x00", "a\nb", "\u202eabc", "é", "\U0001f600", "../..", "-1", "1e9", "key-1"]
    ),
    st.text(st.characters(exclude_categories=["Cs"]), max_size=12),
)

_DOUBLES: Final = st.sampled_from(
    [0.0, -0.0, 1.0, 0.5, -1.0, 1e-320, 1e308, 2.0**53, float("inf"), float("-inf"), float("nan")]
)

_JSON: Final = st.recursive(
    st.none() | st.booleans() | _DOUBLES | _WORDS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_WORDS, inner, max_size=3),
    max_leaves=6,
)

#: What fits inputs and definitions of agents, so that some messages get past the schema.
_FITTING: Final[Sequence[dict[str, Any]]] = (
    {"goal": "x"},
    {"goal": "x", "agent_config": {"tools": []}},
    {"instructions": "x"},
    {"task_type": "agent_run", "input_data": {"goal": "x"}},
    {"type": "object"},
    {},
)


def _integers(bits: int, *, signed: bool) -> st.SearchStrategy[int]:
    low, high = (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1) if signed else (0, 2**bits - 1)
    edges = [low, low + 1, 0, 1, 2, 3, 10, 50, 200, 201, high - 1, high]
    return st.sampled_from(edges) | st.integers(low, high)


_OF_TYPE: Final[Mapping[int, st.SearchStrategy[Any]]] = {
    Field.TYPE_STRING: _WORDS,
    Field.TYPE_BYTES: st.binary(max_size=8),
    Field.TYPE_BOOL: st.booleans(),
    Field.TYPE_DOUBLE: _DOUBLES,
    Field.TYPE_FLOAT: st.sampled_from([0.0, 1.0, float("inf"), float("nan")]),
    Field.TYPE_INT32: _integers(32, signed=True),
    Field.TYPE_INT64: _integers(64, signed=True),
    Field.TYPE_UINT32: _integers(32, signed=False),
    Field.TYPE_UINT64: _integers(64, signed=False),
    Field.TYPE_ENUM: st.integers(-1, 9),
}


class Messages:
    """Strategies for the messages of one world, whose ids they know. `ids`: by the name of the field."""

    def __init__(self, ids: Mapping[str, Sequence[str]]) -> None:
        self._ids = ids
        self._made: dict[str, st.SearchStrategy[Message]] = {}

    def of(self, kind: Any) -> st.SearchStrategy[Message]:
        """Messages of that descriptor."""
        made = self._made.get(kind.full_name)
        if made is None:
            made = self._made[kind.full_name] = self._new(kind)
        return made

    def _new(self, kind: Any) -> st.SearchStrategy[Message]:
        if kind.full_name == Struct.DESCRIPTOR.full_name:
            return (st.sampled_from(_FITTING) | st.dictionaries(_WORDS, _JSON, max_size=3)).map(
                _struct
            )
        if kind.full_name == Value.DESCRIPTOR.full_name:
            return _JSON.map(_value)
        if kind.full_name == Timestamp.DESCRIPTOR.full_name:
            return st.builds(_timestamp, _integers(64, signed=True), _integers(32, signed=True))
        fields = {field.name: self._value_of(field) for field in kind.fields}
        factory = message_factory.GetMessageClass(kind)
        # A message is about its first field: without it most are refused for that alone.
        first = {name: fields.pop(name) for name in [f.name for f in kind.fields][:1]}
        return st.fixed_dictionaries(first, optional=fields).map(
            lambda said: factory(**{k: v for k, v in said.items() if v is not None})
        )

    def _value_of(self, field: Any) -> st.SearchStrategy[Any]:
        if field.message_type is not None and field.message_type.GetOptions().map_entry:
            return st.dictionaries(_WORDS, _WORDS, max_size=3)
        one = self._one_of(field)
        return st.lists(one, max_size=3) if field.is_repeated else one

    def _one_of(self, field: Any) -> st.SearchStrategy[Any]:
        if field.message_type is not None:
            return self.of(field.message_type)
        known = self._ids.get(field.name)
        drawn = _OF_TYPE[field.type]
        # A client that was told an id mostly sends it.
        return st.sampled_from(known) | st.sampled_from(known) | drawn if known else drawn


def malformed(message: Bytes) -> Bytes:
    """What a client of another contract, a broken one or an attacker sends instead of the message."""
    return st.one_of(
        st.binary(max_size=60),
        st.builds(lambda body, cut: body[: len(body) * cut // 10], message, st.integers(0, 9)),
        st.builds(_flipped, message, st.integers(0, 2**16), st.integers(1, 255)),
        st.builds(lambda body, more: body + more, message, st.sampled_from(UNKNOWN)),
        st.builds(lambda body, n: body + _text(n, b"\xff\xc0\x80"), message, st.integers(1, 20)),
        st.builds(
            lambda body, n: body + _tag(n, 0) + b"\xff" * 9 + b"\x01", message, st.integers(1, 20)
        ),
        st.builds(
            lambda body, n, depth: body + _text(n, deep(depth)),
            message,
            st.integers(1, 20),
            st.sampled_from([5, 31, 33, 60, 99, 120, 2000]),
        ),
        st.builds(
            lambda n, size: _text(n, b"x" * size), st.integers(1, 20), st.sampled_from(SIZES)
        ),
    )


#: Around the bounds of fields, and past what the server takes in one message.
SIZES: Final = (100, 101, 201, 5_000, 64_000, 70_000)


def deep(levels: int) -> bytes:
    """The bytes of a Struct in a Struct in a Struct. No API would make them."""
    inner = b""
    for _ in range(levels):
        entry = _text(1, b"k") + _text(2, _text(5, inner))
        inner = _text(1, entry)
    return inner


def _tag(number: int, wire_type: int) -> bytes:
    return _varint(number << 3 | wire_type)


def _text(number: int, content: bytes) -> bytes:
    return _tag(number, 2) + _varint(len(content)) + content


def _varint(value: int) -> bytes:
    made = bytearray()
    while value > 0x7F:
        made.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*made, value])


#: Fields that no message has, of each wire type; groups; numbers that are forbidden; lengths that lie.
UNKNOWN: Final = (
    _tag(5000, 0) + b"\x01",
    _tag(5000, 1) + b"\x00" * 8,
    _text(5000, b"new"),
    _tag(5000, 5) + b"\x00" * 4,
    _tag(5000, 3) + _tag(5000, 4),
    _tag(5000, 3) * 200,
    _tag(1, 4),
    _tag(1, 6),
    _tag(0, 0) + b"\x01",
    _tag(1, 2) + b"\xff\xff\xff\xff\x0f",
    _tag(536870911, 0) + b"\x01",
)


def _flipped(body: bytes, place: int, bits: int) -> bytes:
    if not body:
        return bytes([bits])
    at = place % len(body)
    return body[:at] + bytes([body[at] ^ bits]) + body[at + 1 :]


def _struct(data: dict[str, Any]) -> Struct:
    made = Struct()
    for name, value in data.items():
        made.fields[name].CopyFrom(_value(value))
    return made


def _value(data: Any) -> Value:
    match data:
        case None:
            return Value(null_value=0)  # type: ignore[arg-type]
        case bool():
            return Value(bool_value=data)
        case int() | float():
            return Value(number_value=data)
        case str():
            return Value(string_value=data)
        case list():
            return Value(list_value=ListValue(values=[_value(each) for each in data]))
        case _:
            return Value(struct_value=_struct(data))


def _timestamp(seconds: int, nanos: int) -> Timestamp:
    return Timestamp(seconds=seconds, nanos=nanos)
