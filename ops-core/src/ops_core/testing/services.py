"""The domain over fakes, for tests that are about one part of it."""

from ops_core.service import TaskService
from ops_core.services import Services


def services_of(tasks: TaskService) -> Services:
    """All services: the given one, and every other over a fake of its own."""
    return Services(tasks=tasks)
