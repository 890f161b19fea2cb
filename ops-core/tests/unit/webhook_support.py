"""A receiver in memory, and a dispatcher's loop over the in-memory store."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from ops_core.hook import TaskHook
from ops_core.task import NewTask, Task, new_task_id
from ops_core.testing import FrozenClock, MemoryStore, MemoryWebhooks
from ops_core.webhooks.deliverer import Deliverer
from ops_core.webhooks.model import Delivery, HookSpec, Webhook
from ops_core.webhooks.port import Answer
from ops_core.webhooks.signing import new_secret
from ops_core.webhooks.verdict import Patience

URL = "https://example.org/hook"


@dataclass
class Receiver:
    """Answers with what it was told to, then with 200; remembers what came."""

    answers: list[Answer | Exception] = field(default_factory=list)
    came: list[tuple[str, bytes, Mapping[str, str]]] = field(default_factory=list)

    async def post(self, url: str, body: bytes, headers: Mapping[str, str]) -> Answer:
        self.came.append((url, body, headers))
        answer = self.answers.pop(0) if self.answers else Answer(status_code=200)
        if isinstance(answer, Exception):
            raise answer
        return answer


class Office:
    """Tasks, their webhooks and one dispatcher's loop, on a clock that stands still."""

    def __init__(self, *answers: Answer | Exception, patience: Patience | None = None) -> None:
        self.clock = FrozenClock()
        self.tasks = MemoryStore(self.clock)
        self.webhooks = MemoryWebhooks(self.tasks)
        self.receiver = Receiver(list(answers))
        self.loop = Deliverer(self.webhooks, self.receiver, patience=patience)
        self.secret = new_secret()

    async def subscribe(self, *events: str) -> Webhook:
        spec = HookSpec(url=URL, events=events or ("task.submitted",))
        return await self.webhooks.create("default", spec, self.secret, by="x", limit=9)

    async def submit(self, hook: TaskHook | None = None, **data: object) -> Task:
        new = NewTask(
            task_id=new_task_id(),
            tenant_id="default",
            task_type="noop",
            input_data=dict(data),
            webhook=hook,
        )
        return (await self.tasks.submit(new))[0]

    async def send(self, after_s: float = 0.0) -> None:
        """What is due by then is sent, and recorded."""
        self.clock.advance(after_s)
        await self.loop.begin()
        await self.loop.settled()

    async def delivery(self) -> Delivery:
        page = await self.webhooks.deliveries("default", limit=10, cursor=None)
        [delivery] = page.deliveries
        return delivery

    async def webhook(self, webhook: Webhook) -> Webhook:
        return await self.webhooks.get("default", webhook.webhook_id)
