"""What clients send, as the model that it must fit; what no store could hold is refused."""

from typing import TypeVar

from pydantic import BaseModel, ValidationError

from ops_core.request import check_json, invalid
from ops_core.task import JsonObject

Model = TypeVar("Model", bound=BaseModel)


def parsed(model: type[Model], data: JsonObject) -> Model:
    """Parses what is already Python data. Raises `InvalidRequest` naming each wrong field."""
    check_json(data)
    try:
        return model.model_validate(data)
    except ValidationError as error:
        raise invalid(error) from None


def parsed_json(model: type[Model], body: bytes) -> Model:
    """Parses JSON text. Raises `InvalidRequest` naming each wrong field."""
    try:
        request = model.model_validate_json(body)
    except ValidationError as error:
        raise invalid(error) from None
    check_json(request.model_dump())
    return request
