"""The house rules that a machine can read: sizes, names, who reads the environment, what is no package."""

import ast
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SOURCES = [ROOT / "src", ROOT / "ops-core" / "src", ROOT / "agentkit" / "src"]
TESTS = [ROOT / "tests", ROOT / "ops-core" / "tests", ROOT / "agentkit" / "tests"]

#: Nine files in ten have at most this many lines.
LONG_FILE = 300
#: No function has more lines than this; nine in ten have at most 30.
LONGEST_FUNCTION, LONG_FUNCTION = 50, 30

DUMPING_GROUNDS = {"utils", "util", "helpers", "helper", "common", "misc", "base", "core"}


def python_files(folders: list[Path]) -> Iterator[Path]:
    for folder in folders:
        for path in sorted(folder.rglob("*.py")):
            if not path.stem.endswith(("_pb2", "_pb2_grpc")):
                yield path


def lines(path: Path) -> int:
    return len(path.read_text(encoding="utf-8").splitlines())


def functions() -> Iterator[tuple[str, int]]:
    """Every function of the sources with its number of lines, decorators and docstring included."""
    for path in python_files(SOURCES):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                yield f"{path.relative_to(ROOT)}:{node.lineno} {node.name}", length(node)


def length(node: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    return (node.end_lineno or node.lineno) - node.lineno + 1


def test_no_function_is_longer_than_a_screen() -> None:
    assert {name: size for name, size in functions() if size > LONGEST_FUNCTION} == {}


def test_nine_functions_in_ten_are_short() -> None:
    sizes = [size for _, size in functions()]
    assert sum(size > LONG_FUNCTION for size in sizes) <= len(sizes) / 10


def test_nine_files_in_ten_are_short() -> None:
    sizes = {path: lines(path) for path in python_files(SOURCES)}
    too_long = {
        str(path.relative_to(ROOT)): size for path, size in sizes.items() if size > LONG_FILE
    }
    assert len(too_long) <= len(sizes) / 10, too_long


def test_no_module_is_named_like_a_dumping_ground() -> None:
    assert {str(path) for path in python_files(SOURCES) if path.stem in DUMPING_GROUNDS} == set()


def test_only_the_settings_read_the_environment() -> None:
    readers = {
        str(path.relative_to(ROOT))
        for path in python_files(SOURCES)
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Attribute | ast.Name)
        and (node.attr if isinstance(node, ast.Attribute) else node.id) in {"environ", "getenv"}
    }
    assert readers <= {"src/opspawn/settings/environment.py"}


def test_folders_that_must_be_no_package_are_none() -> None:
    """`alembic/` would hide the library, `proto/` the generated code; tests share one import path."""
    folders = [ROOT / "alembic", ROOT / "proto", *TESTS]
    assert [path for folder in folders for path in folder.rglob("__init__.py")] == []


def test_no_two_test_files_have_one_name() -> None:
    """pytest imports them all as top-level modules."""
    names = Counter(path.name for path in python_files(TESTS) if path.name != "conftest.py")
    assert {name for name, count in names.items() if count > 1} == set()
