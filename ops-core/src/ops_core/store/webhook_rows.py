"""Between rows and values: the one place that knows the columns of webhooks and deliveries by name."""

from datetime import datetime
from typing import Any

from pydantic import SecretStr

from ops_core.log import rfc3339
from ops_core.push import Push
from ops_core.store.rows import Row
from ops_core.task import JsonObject
from ops_core.webhooks.model import Attempt, Delivery, DeliveryStatus, HookSpec, Webhook


def webhook_of(row: Row) -> Webhook:
    return Webhook(
        webhook_id=row.webhook_id,
        tenant_id=row.tenant_id,
        spec=HookSpec(
            url=row.url,
            events=tuple(row.events),
            task_type=row.task_type,
            agent=row.agent,
            labels=row.labels,
            enabled=row.enabled,
            description=row.description,
            decides=row.decides,
        ),
        disabled_reason=row.disabled_reason,
        failing_since=row.failing_since,
        created_by=row.created_by,
        created_at=row.created_at,
        updated_at=row.updated_at,
    )


def spec_parameters(spec: HookSpec) -> dict[str, Any]:
    return {
        "url": spec.url,
        "events": list(spec.events),
        "task_type": spec.task_type,
        "agent": spec.agent,
        "labels": spec.labels,
        "enabled": spec.enabled,
        "description": spec.description,
        "decides": spec.decides,
    }


def push_of(row: Row) -> Push | None:
    if row.config_id is None:
        return None
    return Push(
        config_id=row.config_id,
        token=_secret(row.token),
        scheme=row.scheme,
        credentials=_secret(row.credentials),
    )


def push_parameters(push: Push | None) -> dict[str, str | None]:
    if push is None:
        return {"config_id": None, "token": None, "scheme": None, "credentials": None}
    return {
        "config_id": push.config_id,
        "token": None if push.token is None else push.token.get_secret_value(),
        "scheme": push.scheme,
        "credentials": None if push.credentials is None else push.credentials.get_secret_value(),
    }


def _secret(stored: str | None) -> SecretStr | None:
    return None if stored is None else SecretStr(stored)


def delivery_of(row: Row) -> Delivery:
    return Delivery(
        delivery_id=row.delivery_id,
        tenant_id=row.tenant_id,
        webhook_id=row.webhook_id,
        task_id=row.task_id,
        seq=row.seq,
        type=row.type,
        status=DeliveryStatus(row.status),
        tries=row.tries,
        next_at=row.next_at,
        created_at=row.created_at,
        ended_at=row.ended_at,
        attempts=tuple(attempt_of(stored) for stored in row.attempts),
    )


def attempt_of(stored: JsonObject) -> Attempt:
    return Attempt(
        at=datetime.fromisoformat(stored["at"]),
        status_code=stored.get("status_code"),
        duration_s=stored.get("duration_s", 0.0),
        error=stored.get("error"),
        response=stored.get("response"),
        decision=stored.get("decision"),
    )


def attempt_json(attempt: Attempt) -> JsonObject:
    return {
        "at": rfc3339(attempt.at),
        "status_code": attempt.status_code,
        "duration_s": attempt.duration_s,
        "error": attempt.error,
        "response": attempt.response,
        "decision": attempt.decision,
    }
