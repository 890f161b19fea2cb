"""Which tier a test is of."""

from pathlib import Path
from types import SimpleNamespace

import pytest

from support.tiers import tier_of


@pytest.mark.parametrize(
    ("path", "fixtures", "tier"),
    [
        ("ops-core/tests/unit/test_a.py", [], "unit"),
        ("ops-core/tests/conformance/test_a.py", ["postgres_server"], "conformance"),
        ("tests/e2e/slow/test_a.py", ["rabbitmq_url"], "e2e"),
        ("tests/packaging/test_a.py", ["postgres_server"], "packaging"),
        ("agentkit/tests/test_a.py", ["tmp_path"], "unit"),
        ("agentkit/tests/test_a.py", ["tmp_path", "postgres_server"], "integration"),
        ("agentkit/tests/test_a.py", ["own_rabbitmq"], "integration"),
    ],
)
def test_the_folder_decides_and_else_the_servers(path: str, fixtures: list[str], tier: str) -> None:
    assert tier == tier_of(SimpleNamespace(path=Path(path), fixturenames=fixtures))  # type: ignore[arg-type]
