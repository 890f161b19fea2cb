"""Planners: what to do next, decided from what has happened."""

from agentkit.planning.plan_execute import PlanExecutePlanner
from agentkit.planning.port import Act, Ask, Finish, Move, Planner
from agentkit.planning.react import ReActPlanner
from agentkit.planning.simple import SimplePlanner

__all__ = [
    "Act",
    "Ask",
    "Finish",
    "Move",
    "PlanExecutePlanner",
    "Planner",
    "ReActPlanner",
    "SimplePlanner",
]
