"""Push notifications of A2A: configs, what their receivers are sent, and who may ask for them."""

import json
from typing import Any

import pytest
from a2a_support import AGENT, VERSION, ask, error, message, request, send
from agent_door_support import KeyedGate, Open, opened
from webhook_support import Receiver

from ops_core.a2a.notification import notification
from ops_core.a2a.security import bearers
from ops_core.webhooks.deliverer import Deliverer
from ops_core.webhooks.payload import MAX_BODY
from ops_core.webhooks.port import Answer

pytestmark = pytest.mark.unit

URL = "https://example.org/a2a"
CONFIG = {
    "id": "mine",
    "url": URL,
    "token": "t0ken",
    "authentication": {"scheme": "Bearer", "credentials": "s3cret"},
}


async def begun(door: Open, **configuration: Any) -> str:
    task = await send(door, message(), returnImmediately=True, **configuration)
    return str(task["id"])


async def notified(door: Open, *answers: Answer) -> list[tuple[Any, dict[str, str]]]:
    """Sends what is due: the bodies and the headers of what came."""
    receiver = Receiver(list(answers))
    loop = Deliverer(door.webhooks, receiver, pushed=notification)
    await loop.begin()
    await loop.settled()
    assert {URL} >= {url for url, _, _ in receiver.came}
    return [(json.loads(body), dict(headers)) for _, body, headers in receiver.came]


async def test_a_config_is_told_in_full_only_to_whoever_sent_it() -> None:
    """Later it is shown without what the receiver knows us by."""
    async with opened() as door:
        task_id = await begun(door)
        made = await ask(door, "CreateTaskPushNotificationConfig", taskId=task_id, **CONFIG)
        assert {**CONFIG, "taskId": task_id} == made
        shown = {
            "id": "mine",
            "taskId": task_id,
            "url": URL,
            "authentication": {"scheme": "Bearer"},
        }
        assert shown == await ask(door, "GetTaskPushNotificationConfig", taskId=task_id, id="mine")
        listed = await ask(door, "ListTaskPushNotificationConfigs", taskId=task_id)
        assert {"configs": [shown], "nextPageToken": ""} == listed


async def test_a_config_without_an_id_is_given_one() -> None:
    """With an id that is there it takes that one's place."""
    async with opened() as door:
        task_id = await begun(door)
        made = await ask(door, "CreateTaskPushNotificationConfig", taskId=task_id, url=URL)
        other = f"{URL}/2"
        await ask(
            door, "CreateTaskPushNotificationConfig", taskId=task_id, id=made["id"], url=other
        )
        [config] = (await ask(door, "ListTaskPushNotificationConfigs", taskId=task_id))["configs"]
        assert {"id": made["id"], "taskId": task_id, "url": other} == config


async def test_the_moves_of_a_task_are_told_with_what_the_receiver_knows_us_by() -> None:
    """Also of one that moves as soon as it is there: the config came with the message."""
    async with opened() as door:
        task_id = await begun(door, taskPushNotificationConfig=CONFIG)
        await door.complete("391")
        (first, headers), (last, _) = await notified(door)
        assert {task_id} == {first["task"]["id"], last["task"]["id"]}
        assert "TASK_STATE_COMPLETED" == last["task"]["status"]["state"]
        assert [{"text": "391"}] == last["task"]["artifacts"][0]["parts"]
        known = ("t0ken", "Bearer s3cret", "application/a2a+json")
        names = ("x-a2a-notification-token", "authorization", "content-type")
        assert known == tuple(headers[name] for name in names)
        assert headers["webhook-id"].startswith("dlv_")


async def test_a_message_that_is_sent_again_asks_for_no_second_config() -> None:
    """And one that is sent again with a config has it from then on."""
    async with opened() as door:
        task_id = await begun(door)
        for _ in range(2):
            config = {"url": URL}
            assert task_id == await begun(door, taskPushNotificationConfig=config)
        listed = await ask(door, "ListTaskPushNotificationConfigs", taskId=task_id)
        assert 1 == len(listed["configs"])


async def test_a_config_that_is_deleted_is_sent_nothing_more() -> None:
    """What was due for it is gone with it; deleted again it stays so."""
    async with opened() as door:
        task_id = await begun(door, taskPushNotificationConfig=CONFIG)
        await door.complete("391")
        for _ in range(2):
            gone = {"taskId": task_id, "id": "mine"}
            assert {} == await ask(door, "DeleteTaskPushNotificationConfig", **gone)
        assert [] == await notified(door)
        said = await error(door, "GetTaskPushNotificationConfig", taskId=task_id, id="mine")
        assert -32001 == said["code"]


async def test_an_answer_too_large_for_a_notification_is_left_out() -> None:
    """The state is told all the same."""
    async with opened() as door:
        await begun(door, taskPushNotificationConfig=CONFIG)
        await door.complete("x" * MAX_BODY)
        (last, _), *_ = (await notified(door))[-1:]
        assert "TASK_STATE_COMPLETED" == last["task"]["status"]["state"]
        assert "artifacts" not in last["task"]


@pytest.mark.parametrize(
    ("config", "field"),
    [
        ({"url": "ftp://example.org"}, "url"),
        ({}, "url"),
        ({"url": URL, "token": "a\r\nX-Evil: 1"}, "token"),
        ({"url": URL, "authentication": {"scheme": "Bearer x"}}, "authentication.scheme"),
        (
            {"url": URL, "authentication": {"scheme": "Bearer", "credentials": "a\nb"}},
            "authentication.credentials",
        ),
    ],
)
async def test_a_config_that_cannot_be_used_is_refused(config: Any, field: str) -> None:
    """Nothing of it can become a header of its own."""
    async with opened() as door:
        task_id = await begun(door)
        said = await error(door, "CreateTaskPushNotificationConfig", taskId=task_id, **config)
        assert (-32602, field) == (said["code"], said["message"].split(":")[0])


@pytest.mark.parametrize(
    ("method", "params"),
    [
        ("CreateTaskPushNotificationConfig", {"url": URL}),
        ("GetTaskPushNotificationConfig", {"id": "mine"}),
        ("ListTaskPushNotificationConfigs", {}),
        ("DeleteTaskPushNotificationConfig", {"id": "mine"}),
    ],
)
async def test_there_is_no_config_of_a_task_that_is_not_there(method: str, params: Any) -> None:
    """By the code of the protocol."""
    async with opened() as door:
        said = await error(door, method, taskId="task_none", **params)
        assert (-32001, "task_not_found") == (said["code"], said["data"][0]["metadata"]["type"])


async def test_a_task_has_only_so_many_configs() -> None:
    """Each of its events is sent to all of them."""
    async with opened() as door:
        task_id = await begun(door)
        for _ in range(10):
            await ask(door, "CreateTaskPushNotificationConfig", taskId=task_id, url=URL)
        said = await error(door, "CreateTaskPushNotificationConfig", taskId=task_id, url=URL)
        assert (-32602, "taskId") == (said["code"], said["message"].split(":")[0])


async def test_whoever_may_not_have_webhooks_may_not_be_notified() -> None:
    """Neither through a method of its own, nor with a message; and nothing is begun then."""
    async with opened(gate=KeyedGate("create_webhook")) as door:
        headers = {**VERSION, "Authorization": "Bearer right"}
        params = {
            "message": message(),
            "configuration": {"taskPushNotificationConfig": CONFIG},
        }
        sent = request("SendMessage", params)
        assert 403 == (await door.http.post(AGENT, json=sent, headers=headers)).status_code
        known = request("ListTasks", {})
        listed = (await door.http.post(AGENT, json=known, headers=headers)).json()["result"]
        assert 0 == listed["totalSize"]


def test_a_card_says_how_to_come_in() -> None:
    """A key, or a token of the issuer that is trusted."""
    keys = bearers()
    assert [{"schemes": {"apiKey": {"list": []}}}] == keys["securityRequirements"]
    both = bearers(issuer="https://id.example.org", audience="opspawn")
    assert ["apiKey", "token"] == list(both["securitySchemes"])
    token = both["securitySchemes"]["token"]["httpAuthSecurityScheme"]
    assert ("Bearer", "JWT") == (token["scheme"], token["bearerFormat"])
    assert "https://id.example.org" in token["description"]
