"""Tasks that belong together: children of a parent, and tasks that depend on others."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from ops_core.errors import FieldError, InvalidRequest
from ops_core.task import NewTask, Status, Task


@dataclass(frozen=True, slots=True, kw_only=True)
class FamilyLimits:
    """What bounds a program that starts tasks by itself."""

    max_children: int = 1000
    """Children of one task, over its whole life."""

    max_depth: int = 8
    """Generations of tasks below the first one."""


DEFAULT_FAMILY_LIMITS: Final = FamilyLimits()


def check_family(
    new: NewTask, relatives: Mapping[str, Task], *, depth: int, children: int, limits: FamilyLimits
) -> None:
    """Whether a new task may take its place. Raises `InvalidRequest` naming each wrong field.

    `relatives` are its parent and the tasks it depends on, as far as they exist; `children` is how many its
    parent has already.
    """
    errors = [
        FieldError(f"depends_on.{place}", problem)
        for place, task_id in enumerate(new.depends_on)
        if (problem := _dependency_problem(relatives.get(task_id)))
    ]
    errors += [
        FieldError(f"depends_on.{place}", "is its parent, with which it ends")
        for place, task_id in enumerate(new.depends_on)
        if task_id == new.parent_task_id
    ]
    if new.parent_task_id is not None:
        problem = _parent_problem(relatives.get(new.parent_task_id), depth, children, limits)
        errors += [FieldError("parent_task_id", problem)] if problem else []
    if errors:
        raise InvalidRequest(errors)


def check_retry(needs: Mapping[str, Task | None]) -> None:
    """Whether a task that still depends on these may run once more. Raises `InvalidRequest`."""
    errors = [
        FieldError("depends_on", f"{task_id}: {problem}")
        for task_id, needed in needs.items()
        if (problem := _dependency_problem(needed))
    ]
    if errors:
        raise InvalidRequest(errors)


def _parent_problem(
    parent: Task | None, depth: int, children: int, limits: FamilyLimits
) -> str | None:
    if parent is None:
        return "there is no such task"
    if parent.is_terminal:
        return f"is already {parent.status}: a task that has ended starts no others"
    if depth > limits.max_depth:
        return f"would be deeper than {limits.max_depth} generations of tasks"
    if children >= limits.max_children:
        return f"has {children} children already, which is the limit"
    return None


def _dependency_problem(needed: Task | None) -> str | None:
    if needed is None:
        return "there is no such task"
    if needed.status in {Status.FAILED, Status.CANCELLED}:
        return f"is {needed.status}: retry it first"
    return None
