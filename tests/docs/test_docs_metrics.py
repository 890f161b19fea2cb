"""The metrics that the documents name are those that the code tells, with their types and labels."""

import re

import pytest
from prometheus_client.parser import text_string_to_metric_families

from ops_core.metrics import MetricsService
from ops_core.principal import EVERYBODY
from ops_core.task import NewTask, new_task_id
from ops_core.testing import MemoryFiguresStore, MemoryStore
from support.documents import names, read, rows, section

METRICS = read("docs/reference/metrics.md")
HOW_TO = read("docs/how-to/watch-an-installation.md")

Told = dict[str, tuple[str, set[str]]]


@pytest.fixture
async def told() -> Told:
    """Type and labels of each metric, when there is something of everything."""
    store = MemoryStore()
    new = NewTask(task_id=new_task_id(), tenant_id="default", task_type="x", input_data={})
    await store.submit(new)
    service = MetricsService(MemoryFiguresStore(store), lambda: 0)
    service.rest.note("GET", "/health", "200", 0.1)
    service.rpc.note("GetTask", "", "OK", 0.1)
    text = (await service.text(by=EVERYBODY)).decode()
    await service.close()
    return {
        family.name + ("_total" if family.type == "counter" else ""): (
            family.type,
            {label for sample in family.samples for label in sample.labels} - {"le"},
        )
        for family in text_string_to_metric_families(text)
    }


def test_the_tables_are_what_is_told(told: Told) -> None:
    """Names, types and labels, of both tables."""
    tables = [section(METRICS, "Of the installation"), section(METRICS, "Of the process")]
    written = {
        names(name)[0]: (type_, set(names(labels)))
        for table in tables
        for name, type_, labels, *_ in rows(table)
    }
    assert {name: of for name, of in told.items() if name.startswith("opspawn_")} == written


def test_what_is_told_of_the_system_is_listed(told: Told) -> None:
    ours = {name for name in told if not name.startswith("opspawn_")}
    assert ours == {name for name in names(METRICS) if name.startswith("process_")}


def test_rules_ask_only_for_metrics_that_there_are(told: Told) -> None:
    """A rule about another one would never fire."""
    asked = set(re.findall(r"opspawn_\w+", HOW_TO)) - {"opspawn_api", "opspawn_worker"}
    known = {*told, *(f"{name}_bucket" for name, (kind, _) in told.items() if kind == "histogram")}
    assert asked - known == set()
    labels = set(re.findall(r"[{,]\s*(\w+)=", HOW_TO)) - {"job"}
    assert labels <= {label for _, of in told.values() for label in of}
