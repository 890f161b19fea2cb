"""What in new .proto files breaks a client of old ones: on the wire, or when it is generated anew."""

import tempfile
from collections.abc import Iterable, Iterator
from importlib import resources
from pathlib import Path
from typing import Any

from google.protobuf import descriptor_pb2
from grpc_tools import protoc

Named = dict[str, Any]


def described(folder: Path) -> descriptor_pb2.FileDescriptorSet:
    """Every .proto file under the folder, compiled."""
    sources = sorted(str(path.relative_to(folder)) for path in folder.rglob("*.proto"))
    well_known = resources.files("grpc_tools") / "_proto"
    with tempfile.NamedTemporaryFile() as target:
        arguments = [f"-I{folder}", f"-I{well_known}", f"--descriptor_set_out={target.name}"]
        if protoc.main(["protoc", *arguments, *sources]) != 0:
            raise SystemExit(f"protoc failed on {folder}")
        return descriptor_pb2.FileDescriptorSet.FromString(Path(target.name).read_bytes())


def changes(
    old: descriptor_pb2.FileDescriptorSet, new: descriptor_pb2.FileDescriptorSet
) -> Iterator[str]:
    """One line for each change that breaks a client."""
    yield from _both(_messages(old), _messages(new), _message)
    yield from _both(_enums(old), _enums(new), _enum)
    yield from _both(_services(old), _services(new), _service)


def _both(old: Named, new: Named, compare: Any) -> Iterator[str]:
    for name, one in old.items():
        if name in new:
            yield from compare(name, one, new[name])
        else:
            yield f"{name}: removed"


def _message(name: str, old: Any, new: Any) -> Iterator[str]:
    after = {field.number: field for field in new.field}
    for field in old.field:
        where = f"{name}.{field.name}"
        now = after.get(field.number)
        if now is None:
            yield f"{where}: field {field.number} removed"
        elif now.name != field.name:
            yield f"{where}: field {field.number} is {now.name} now"
        elif _kind(now) != _kind(field):
            yield f"{where}: type changed"
        elif _oneof(new, now) != _oneof(old, field):
            yield f"{where}: moved to another oneof"
    taken = {number for one in old.reserved_range for number in range(one.start, one.end)}
    for field in new.field:
        if field.number in taken:
            yield f"{name}.{field.name}: field {field.number} was in use once and is reserved"


def _enum(name: str, old: Any, new: Any) -> Iterator[str]:
    after = {value.number: value.name for value in new.value}
    for value in old.value:
        now = after.get(value.number)
        if now is None:
            yield f"{name}.{value.name}: removed"
        elif now != value.name:
            yield f"{name}.{value.name}: is {now} now"


def _service(name: str, old: Any, new: Any) -> Iterator[str]:
    after = {method.name: method for method in new.method}
    for method in old.method:
        where, now = f"{name}.{method.name}", after.get(method.name)
        if now is None:
            yield f"{where}: removed"
        elif (now.input_type, now.output_type) != (method.input_type, method.output_type):
            yield f"{where}: takes or answers another message"
        elif _streams(now) != _streams(method):
            yield f"{where}: streams in another way"


def _kind(field: Any) -> tuple[Any, ...]:
    return field.type, field.type_name, field.label


def _oneof(message: Any, field: Any) -> str:
    """A field of its own that may be absent is a oneof to the compiler only."""
    if not field.HasField("oneof_index") or field.proto3_optional:
        return ""
    return str(message.oneof_decl[field.oneof_index].name)


def _streams(method: Any) -> tuple[bool, bool]:
    return method.client_streaming, method.server_streaming


def _messages(files: descriptor_pb2.FileDescriptorSet) -> Named:
    return {
        name: message
        for file in files.file
        for name, message in _nested(file.package, file.message_type)
    }


def _nested(prefix: str, messages: Iterable[Any]) -> Iterator[tuple[str, Any]]:
    for message in messages:
        name = f"{prefix}.{message.name}"
        yield name, message
        yield from _nested(name, message.nested_type)


def _enums(files: descriptor_pb2.FileDescriptorSet) -> Named:
    top = {f"{file.package}.{enum.name}": enum for file in files.file for enum in file.enum_type}
    inner = {
        f"{name}.{enum.name}": enum
        for name, message in _messages(files).items()
        for enum in message.enum_type
    }
    return {**top, **inner}


def _services(files: descriptor_pb2.FileDescriptorSet) -> Named:
    return {f"{file.package}.{one.name}": one for file in files.file for one in file.service}
