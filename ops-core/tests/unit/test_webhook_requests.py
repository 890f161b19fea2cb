"""What a client may say of a webhook, and what a signature is."""

import hashlib
import json
from datetime import UTC, datetime
from typing import Any

import pytest
from standardwebhooks import Webhook, WebhookVerificationError

from ops_core.bodies import parsed
from ops_core.errors import InvalidRequest
from ops_core.hook import DEFAULT_EVENTS, matches
from ops_core.request import parse_request
from ops_core.webhooks.request import WebhookRequest
from ops_core.webhooks.signing import headers, new_secret

pytestmark = pytest.mark.unit

URL = "https://example.org/hook"


@pytest.mark.parametrize(
    ("wrong", "path"),
    [
        ({"url": "ftp://example.org"}, "url"),
        ({"url": "https://"}, "url"),
        ({"url": "https://user:password@example.org"}, "url"),
        ({"url": "https://example.org/#part"}, "url"),
        ({"url": "https://example.org:99999"}, "url"),
        ({"url": "https://exämple.org"}, "url"),
        ({"url": "https://example.org/a b"}, "url"),
        ({"url": "https://example.org/" + "x" * 2000}, "url"),
        ({"events": []}, "events"),
        ({"events": ["task.vanished"]}, "events"),
        ({"events": ["nothing.*"]}, "events"),
        ({"events": ["task."]}, "events"),
        ({"events": ["*"] * 33}, "events"),
        ({"labels": {str(n): "x" for n in range(65)}}, "labels"),
        ({"secret": "mine"}, "secret"),
    ],
)
def test_a_wrong_webhook_is_refused_by_its_field(wrong: dict[str, Any], path: str) -> None:
    """Nothing is stored of it."""
    with pytest.raises(InvalidRequest) as caught:
        parsed(WebhookRequest, {"url": URL, **wrong})
    assert path == caught.value.errors[0].path


@pytest.mark.parametrize("sent", [URL, {"url": URL}])
def test_a_task_may_name_its_webhook_by_a_url_alone(sent: object) -> None:
    """It then hears when the task waits and when it has ended; the two are the same request."""
    request = parse_request({"task_type": "noop", "webhook": sent})
    assert request.webhook is not None
    assert (URL, DEFAULT_EVENTS) == (request.webhook.hook().url, request.webhook.hook().events)
    assert parse_request({"task_type": "noop", "webhook": URL}).digest() == request.digest()


def test_a_task_whose_webhook_does_not_decide_is_the_same_request_for_older_builds() -> None:
    """They know no such word, and one idempotency key may meet both; one that decides is another request."""
    hook = {"url": URL, "events": ["approval.requested"], "secret": None}
    sent = {"task_type": "noop", "webhook": hook}
    older = parse_request(sent).model_dump(mode="json")
    del older["webhook"]["decides"], older["on_busy"]
    canonical = json.dumps(older, sort_keys=True, separators=(",", ":"))
    assert hashlib.sha256(canonical.encode()).hexdigest() == parse_request(sent).digest()
    decides = {"task_type": "noop", "webhook": hook | {"decides": True}}
    assert parse_request(sent).digest() != parse_request(decides).digest()


@pytest.mark.parametrize("secret", ["whsec_", "whsec_c2hvcnQ=", "c2hvcnQ=", "whsec_" + "!" * 40])
def test_a_secret_that_is_weak_or_none_is_refused_and_not_repeated(secret: str) -> None:
    """It is a secret all the same."""
    with pytest.raises(InvalidRequest) as caught:
        parse_request({"task_type": "noop", "webhook": {"url": URL, "secret": secret}})
    assert "webhook.secret" == caught.value.errors[0].path
    assert "must be whsec_ and 24 to 64 bytes in base64" == caught.value.errors[0].message


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [("*", True), ("task.*", True), ("task.failed", True), ("llm.*", False), ("task.woken", False)],
)
def test_a_pattern_is_a_type_a_kind_or_all(pattern: str, expected: bool) -> None:
    """The trigger of the migration has the same rule; the conformance suite compares them."""
    assert expected is matches((pattern,), "task.failed")


def test_an_independent_library_verifies_what_is_sent() -> None:
    """With the secret of now and, while a rotation lasts, with the one of before."""
    body = b'{"type":"task.completed","text":"\xc3\xa9"}'
    new, old, other = new_secret(), new_secret(), new_secret()
    sent = headers("dlv_1", datetime.now(UTC), body, [new, old])
    for secret in (new, old):
        verified = Webhook(secret.get_secret_value()).verify(body, sent)
        assert json.loads(body) == verified
    with pytest.raises(WebhookVerificationError):
        Webhook(other.get_secret_value()).verify(body, sent)
    with pytest.raises(WebhookVerificationError):
        Webhook(new.get_secret_value()).verify(body + b" ", sent)


def test_what_has_no_secret_is_not_signed() -> None:
    """A task's webhook may have none."""
    assert "webhook-signature" not in headers("dlv_1", datetime.now(UTC), b"", [])
