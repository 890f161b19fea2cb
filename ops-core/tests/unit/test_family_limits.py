"""Who may have children, how many and how deep; each refusal names its field."""

from dataclasses import replace

import pytest

from ops_core.errors import InvalidRequest
from ops_core.family import FamilyLimits, check_family, check_retry
from ops_core.task import NewTask, Status, Task
from ops_core.testing import MemoryStore

pytestmark = pytest.mark.unit

LIMITS = FamilyLimits(max_children=2, max_depth=3)


@pytest.fixture
async def parent() -> Task:
    task, _ = await MemoryStore().submit(_new(task_id="p"))
    return task


def _new(**fields: object) -> NewTask:
    plain = {"task_id": "t", "tenant_id": "default", "task_type": "x", "input_data": {}}
    return NewTask(**{**plain, **fields})  # type: ignore[arg-type]


def test_the_last_child_and_the_last_generation_are_allowed(parent: Task) -> None:
    """A limit is what may be reached."""
    child = _new(parent_task_id="p")
    check_family(child, {"p": parent}, depth=3, children=1, limits=LIMITS)


@pytest.mark.parametrize(
    ("depth", "children", "status", "message"),
    [
        (4, 0, Status.RUNNING, "deeper than 3 generations"),
        (1, 2, Status.RUNNING, "has 2 children already"),
        (1, 0, Status.CANCELLED, "already cancelled"),
    ],
)
def test_one_more_is_refused(
    parent: Task, depth: int, children: int, status: Status, message: str
) -> None:
    """The refusal says which limit it was."""
    with pytest.raises(InvalidRequest, match=message) as refused:
        check_family(
            _new(parent_task_id="p"),
            {"p": replace(parent, status=status)},
            depth=depth,
            children=children,
            limits=LIMITS,
        )
    assert ["parent_task_id"] == [error.path for error in refused.value.errors]


def test_a_retry_names_all_that_must_be_retried_first(parent: Task) -> None:
    """Those that failed, were cancelled, or are gone; those under way are fine."""
    needs = {
        "a": parent,
        "b": replace(parent, status=Status.FAILED),
        "c": replace(parent, status=Status.CANCELLED),
        "d": None,
    }
    with pytest.raises(InvalidRequest, match=r"b: is failed.*c: is cancelled.*d: there is no"):
        check_retry(needs)
    check_retry({"a": parent})
