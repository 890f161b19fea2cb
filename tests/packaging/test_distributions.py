"""The wheels and sdists of the three distributions: complete, clean, and working outside the checkout."""

import ast
import re
import sys
import tarfile
import zipfile
from importlib.metadata import packages_distributions, requires
from pathlib import Path

import pytest

from support.distributions import PROJECTS, ROOT, Built, install, run

#: Imports that agentkit alone must do without: other distributions of ours, and every SDK.
NOT_FOR_AGENTKIT = (
    "ops_core",
    "opspawn",
    "openai",
    "anthropic",
    "google.genai",
    "xllamacpp",
    "grpc",
)


#: Imported under their own name, and part of what a declared dependency offers.
COMES_WITH = {"pika": "dramatiq", "pydantic_core": "pydantic", "starlette": "fastapi"}


def names_in_wheel(wheel: Path) -> set[str]:
    with zipfile.ZipFile(wheel) as archive:
        return set(archive.namelist())


def names_in_sdist(sdist: Path) -> set[str]:
    """Without the folder `name-version/` that everything is in."""
    with tarfile.open(sdist) as archive:
        return {member.name.partition("/")[2] for member in archive if member.isfile()}


@pytest.mark.parametrize("package", PROJECTS)
def test_a_wheel_holds_its_package_and_nothing_else(built: Built, package: str) -> None:
    names = names_in_wheel(built.wheels[package])
    assert f"{package}/__init__.py" in names
    assert f"{package}/py.typed" in names
    strangers = {name for name in names if not re.match(rf"{package}(/|-[\d.]+\.dist-info/)", name)}
    assert strangers == set()


@pytest.mark.parametrize("package", PROJECTS)
def test_a_wheel_holds_every_source_file(built: Built, package: str) -> None:
    source = PROJECTS[package] / "src"
    files = {
        str(path.relative_to(source))
        for path in (source / package).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert set() == files - names_in_wheel(built.wheels[package])


@pytest.mark.parametrize("package", PROJECTS)
def test_nothing_that_belongs_to_development_is_shipped(built: Built, package: str) -> None:
    names = names_in_wheel(built.wheels[package]) | names_in_sdist(built.sdists[package])
    junk = re.compile(
        r"(^|/)(tests?|benchmarks|__pycache__|\.git\w*|\.env.*|\.opspawn)(/|$)|\.pyc$"
    )
    # `.gitignore` is put into every sdist by the build backend, which needs it to build again.
    assert {name for name in names if junk.search(name)} <= {".gitignore"}


def test_the_migrations_are_in_the_wheel(built: Built) -> None:
    names = names_in_wheel(built.wheels["opspawn"])
    in_tree = {path.name for path in (ROOT / "alembic" / "versions").glob("*.py")}
    assert in_tree
    assert {f"opspawn/_migrations/versions/{name}" for name in in_tree} <= names
    assert "opspawn/_migrations/env.py" in names


def test_the_migrations_are_no_package(built: Built) -> None:
    """An `__init__.py` in alembic/ would make `import alembic` find ours instead of the library."""
    names = names_in_wheel(built.wheels["opspawn"])
    assert not {name for name in names if re.search(r"_migrations/(.*/)?__init__\.py", name)}


def test_the_command_answers_outside_the_checkout(programs: Path, tmp_path: Path) -> None:
    assert "opspawn" in run(programs / "opspawn", "--help", cwd=tmp_path).lower()


@pytest.mark.parametrize("package", PROJECTS)
def test_a_package_is_imported_from_where_it_was_installed(
    programs: Path, tmp_path: Path, package: str
) -> None:
    found = run(
        programs / "python", "-c", f"import {package} as p; print(p.__file__)", cwd=tmp_path
    )
    assert Path(found.strip()).is_relative_to(programs.parent)


@pytest.mark.parametrize("package", PROJECTS)
def test_every_module_of_a_wheel_imports(programs: Path, tmp_path: Path, package: str) -> None:
    """What an optional extra would bring is not there: modules must do without it until they run."""
    script = f"""
import importlib, pkgutil, {package} as package
for module in pkgutil.walk_packages(package.__path__, "{package}."):
    if "_migrations" not in module.name:
        importlib.import_module(module.name)
"""
    run(programs / "python", "-W", "error", "-c", script, cwd=tmp_path)


def test_an_installed_wheel_migrates_a_fresh_database(
    programs: Path, tmp_path: Path, empty_database_url: str
) -> None:
    environment = {"DATABASE_URL": empty_database_url}
    for _ in range(2):  # the second time there is nothing to do
        run(programs / "opspawn", "migrate", cwd=tmp_path, env=environment)
    script = "import sys; from opspawn.migrate import current; print(*current(sys.argv[1]))"
    found = run(programs / "python", "-c", script, empty_database_url, cwd=tmp_path)
    revision, head = found.split()
    assert revision == head


def test_agentkit_alone_imports_without_the_others_and_without_an_sdk(
    built: Built, tmp_path: Path
) -> None:
    programs = install(tmp_path / "venv", built.wheels["agentkit"])
    script = f"""
import sys
from agentkit import Agent
print([name for name in {NOT_FOR_AGENTKIT} if name in sys.modules])
"""
    assert run(programs / "python", "-c", script, cwd=tmp_path).strip() == "[]"


@pytest.mark.parametrize("package", PROJECTS)
def test_every_import_is_of_a_declared_dependency(package: str) -> None:
    """What another dependency happens to bring today may be gone tomorrow."""
    declared = {_name(requirement) for requirement in requires(package.replace("_", "-")) or ()}
    providers = packages_distributions()
    foreign = imports(PROJECTS[package] / "src" / package) - sys.stdlib_module_names - {package}
    undeclared = {
        name
        for name in foreign
        if not declared
        & {_name(each) for each in (*providers.get(name, []), COMES_WITH.get(name, name))}
    }
    assert undeclared == set()


def imports(folder: Path) -> set[str]:
    """The top-level names that the files of a package import, anywhere in them."""
    found: set[str] = set()
    for path in folder.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                found |= {alias.name.partition(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module:
                found.add(node.module.partition(".")[0])
    return found


def _name(requirement: str) -> str:
    """`Types_PyYAML>=6` is the distribution `types-pyyaml`."""
    return re.split(r"[^\w.-]", requirement, maxsplit=1)[0].lower().replace("_", "-")
