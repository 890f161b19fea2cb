"""What a client may ask for: how much of what may be used."""

from pydantic import ValidationError

from ops_core.amounts import Allowance
from ops_core.errors import FieldError, InvalidRequest
from ops_core.request import BudgetRequest, invalid
from ops_core.task import JsonObject


def parse_budget_json(body: bytes) -> Allowance:
    """Raises `InvalidRequest` naming each wrong field, as the other one does."""
    try:
        return _allowance(BudgetRequest.model_validate_json(body))
    except ValidationError as error:
        raise invalid(error) from None


def parse_budget(data: JsonObject) -> Allowance:
    """See `parse_budget_json`."""
    try:
        return _allowance(BudgetRequest.model_validate(data))
    except ValidationError as error:
        raise invalid(error) from None


def _allowance(sent: BudgetRequest) -> Allowance:
    allowance = sent.allowance()
    if allowance is None:
        raise InvalidRequest(
            [FieldError("", "must limit something: cost_usd, tokens, steps or seconds")]
        )
    return allowance
