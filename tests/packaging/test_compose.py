"""docker-compose.yml: valid Compose, and true to the settings, commands and images that it names."""

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import typer.main
import yaml

from opspawn.cli import app
from opspawn.settings import Settings, env_name

ROOT = Path(__file__).resolve().parents[2]
FILE = ROOT / "docker-compose.yml"
SCHEMA = Path(__file__).parent / "schema" / "compose-spec.json"

#: What a person chooses for Compose alone; the processes never see these names.
SECRETS = {"POSTGRES_PASSWORD", "RABBITMQ_PASSWORD"}

LONG_RUNNING = {"postgres", "rabbitmq", "chroma", "api", "grpc", "dispatcher", "worker"}
OURS = {"migrate", "api", "grpc", "dispatcher", "worker"}

SETTING_NAMES = {env_name(field) for field in Settings.model_fields}


@pytest.fixture(scope="module")
def services() -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = yaml.safe_load(FILE.read_text())["services"]
    return found


def test_it_is_valid_compose() -> None:
    schema = json.loads(SCHEMA.read_text())
    jsonschema.Draft7Validator(schema).validate(yaml.safe_load(FILE.read_text()))


def test_the_servers_for_tests_change_only_what_the_file_has() -> None:
    overlay = (ROOT / "tests" / "support" / "docker-compose.servers.yml").read_text()
    # `!override` is Compose's own tag: YAML alone does not know it.
    changed = yaml.safe_load(overlay.replace("!override ", ""))["services"]
    assert set(changed) == {"postgres", "rabbitmq"}


def test_it_has_the_services_that_the_readme_promises(services: dict[str, dict[str, Any]]) -> None:
    assert set(services) == LONG_RUNNING | OURS
    assert services["worker"]["deploy"]["replicas"] == 2


def test_every_key_given_to_our_processes_is_a_setting(services: dict[str, dict[str, Any]]) -> None:
    given = {key for name in OURS for key in services[name]["environment"]}
    assert set() == given - SETTING_NAMES


def test_every_variable_it_asks_for_is_a_setting_or_a_password_of_compose() -> None:
    asked = set(re.findall(r"\$\{(\w+)", FILE.read_text()))
    assert SECRETS == asked - SETTING_NAMES


def test_every_variable_it_asks_for_is_in_the_example_environment() -> None:
    asked = set(re.findall(r"\$\{(\w+)", FILE.read_text()))
    example = (ROOT / ".env.example").read_text()
    assert set() == {name for name in asked if not re.search(rf"^#? ?{name}=", example, re.M)}


def test_only_the_memory_is_turned_on_by_hand(services: dict[str, dict[str, Any]]) -> None:
    profiles = {
        name: service["profiles"] for name, service in services.items() if "profiles" in service
    }
    assert profiles == {"chroma": ["memory"]}
    waited_for = {name for service in services.values() for name in service.get("depends_on", ())}
    assert "chroma" not in waited_for


def test_workers_are_given_the_memory_and_nobody_else_reaches_it(
    services: dict[str, dict[str, Any]],
) -> None:
    url = services["worker"]["environment"]["AGENTKIT_LTM_CHROMA_URL"]
    assert url == "${AGENTKIT_LTM_CHROMA_URL:-http://chroma:8000}"
    assert "ports" not in services["chroma"]


def test_the_server_is_of_the_version_that_the_client_is(
    services: dict[str, dict[str, Any]],
) -> None:
    _, _, tag = services["chroma"]["image"].partition(":")
    assert f"chromadb=={tag}" in (ROOT / "requirements.lock").read_text()


def test_passwords_are_required_and_never_written_down() -> None:
    text = FILE.read_text()
    for name in SECRETS:
        uses = re.findall(rf"\$\{{{name}([^}}]*)\}}", text)
        assert uses
        assert all(use.startswith(":?") for use in uses), f"{name} has a default, or may be empty"
    values = re.findall(r"^ +\w*(?:PASS|KEY|TOKEN|SECRET)\w*: *(.*)", text, re.M)
    assert values
    assert [value for value in values if not value.startswith("${")] == []
    assert re.findall(r"://\w+:(?!\$\{)[^@\s]*@", text) == []


def test_every_command_is_one_of_the_command_line(services: dict[str, dict[str, Any]]) -> None:
    commands = set(typer.main.get_group(app).commands)
    for name in OURS:
        program, command, *_ = services[name]["command"]
        assert program == "opspawn"
        assert command in commands, f"{name} runs `opspawn {command}`, which does not exist"


def test_every_long_running_service_says_how_it_is(services: dict[str, dict[str, Any]]) -> None:
    assert set() == {name for name in LONG_RUNNING if not services[name].get("healthcheck")}
    checks = (ROOT / "docker" / "health.py").read_text()
    for name in OURS & LONG_RUNNING:
        assert services[name]["healthcheck"]["test"][1:3] == ["python", "/opt/opspawn/health.py"]
        assert f"def {services[name]['healthcheck']['test'][3]}()" in checks


def test_every_image_is_pinned_to_a_minor_version(services: dict[str, dict[str, Any]]) -> None:
    for name, service in services.items():
        assert re.search(r":\d+\.\d+", service["image"]), f"{name} runs {service['image']}"


def test_our_processes_wait_for_the_schema(services: dict[str, dict[str, Any]]) -> None:
    for name in OURS - {"migrate"}:
        waits = services[name]["depends_on"]
        assert waits["migrate"]["condition"] == "service_completed_successfully"
        assert waits["rabbitmq"]["condition"] == "service_healthy"


def test_ports_are_open_to_this_machine_only(services: dict[str, dict[str, Any]]) -> None:
    for name, service in services.items():
        for port in service.get("ports", []):
            assert port.startswith("127.0.0.1:"), f"{name} publishes {port}"


def test_only_workers_are_given_provider_keys(services: dict[str, dict[str, Any]]) -> None:
    holders = {
        name
        for name, service in services.items()
        if any(key.endswith("_API_KEY") for key in service.get("environment", {}))
    }
    assert holders == {"worker"}


def test_a_worker_is_not_killed_while_it_drains(services: dict[str, dict[str, Any]]) -> None:
    grace_s = int(services["worker"]["stop_grace_period"].removesuffix("s"))
    assert grace_s > Settings.model_fields["drain_grace_s"].default


def test_docker_compose_reads_it_as_we_do(services: dict[str, dict[str, Any]]) -> None:
    """Only where the client has Compose: the schema above is checked everywhere."""
    if (
        shutil.which("docker") is None
        or subprocess.run(
            ["docker", "compose", "version"], capture_output=True, check=False
        ).returncode
    ):
        return
    secrets = ROOT / "tests" / "support" / "docker.env"
    command = [
        "docker",
        "compose",
        "--profile",
        "memory",
        "--env-file",
        str(secrets),
        "-f",
        str(FILE),
        "config",
        "--services",
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert set(services) == set(done.stdout.split())
