"""Budgets: what the server says of them, and the calls."""

from datetime import datetime
from decimal import Decimal

from opspawn.client.call import Call, Json, forget, get, given, put, segment
from opspawn.client.reading import list_of
from opspawn.client.views import Allowance, View


class Amounts(View):
    """What was used."""

    cost_usd: Decimal = Decimal(0)
    tokens: int = 0
    steps: int = 0
    seconds: float = 0.0


class Budget(View):
    """What a tenant (`day`, `month`, `total`) or a task (its id) may use, and what of it is left."""

    budget_id: str
    allowed: Allowance
    spent: Amounts
    reserved: Amounts
    left: Allowance
    since: datetime


def put_budget(budget_id: str, allowed: Json) -> Call[Budget]:
    body = {
        name: str(value) if isinstance(value, Decimal) else value
        for name, value in given(allowed).items()
    }
    return put(_path(budget_id), Budget.model_validate, body)


def budget(budget_id: str) -> Call[Budget]:
    return get(_path(budget_id), Budget.model_validate)


def budgets() -> Call[list[Budget]]:
    return get("/budgets", list_of("budgets", Budget))


def remove(budget_id: str) -> Call[None]:
    return forget(_path(budget_id))


def _path(budget_id: str) -> str:
    return f"/budgets/{segment(budget_id)}"
