"""Limits and budgets: between messages and values."""

from typing import Any

from google.protobuf.message import Message

from ops_core.amounts import Allowance, Amounts
from ops_core.budgets.ledger import Budget
from ops_core.flow.key_limit import KeyLimit
from ops_core.rpc.v1 import limits_pb2


def limit_message(limit: KeyLimit) -> limits_pb2.Limit:
    """A key without a rate has none here either."""
    rate = limits_pb2.Rate(count=limit.rate.count, per_s=limit.rate.per_s) if limit.rate else None
    return limits_pb2.Limit(key=limit.key, concurrency=limit.concurrency, rate=rate)


def budget_message(budget: Budget) -> limits_pb2.Budget:
    return limits_pb2.Budget(
        budget_id=budget.budget_id,
        allowed=allowance_message(budget.allowance),
        spent=_amounts(budget.spent),
        reserved=_amounts(budget.reserved),
        left=allowance_message(budget.left),
        since=budget.since,
    )


def allowance_message(allowance: Allowance) -> limits_pb2.Allowance:
    """What is not limited is absent."""
    return limits_pb2.Allowance(**allowance.json())


def _amounts(amounts: Amounts) -> limits_pb2.Amounts:
    return limits_pb2.Amounts(**amounts.json())


def plain(message: Message) -> dict[str, Any]:
    """The fields that are set, as JSON would say them."""
    return {field.name: value for field, value in message.ListFields()}
