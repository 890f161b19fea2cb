"""Checks the tools of the operator's own, and the folder of tasks."""

from opspawn.agents import toolbox
from opspawn.agents.checks import of_tools
from opspawn.doctor.check_error import CheckError
from opspawn.settings import Settings


def tools(settings: Settings) -> str:
    """Imports them, as a worker does."""
    wrong = list(of_tools(settings))
    if wrong:
        raise CheckError("; ".join(wrong))
    built_in = toolbox.load((), settings)
    own = sorted(set(toolbox.load(settings.tool_names, settings)) - set(built_in))
    where = f"files of tasks in {settings.workspaces}" if settings.workspaces else ""
    return "; ".join(part for part in (", ".join(own), where) if part)
