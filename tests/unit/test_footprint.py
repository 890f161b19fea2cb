"""What an Opspawn that does nothing holds: no library that only others need."""

import asyncio
import subprocess
import sys
from typing import Final

from ops_core.webhooks.port import Refused, Sender
from opspawn.settings import Settings
from opspawn.webhooks import _SenderWhenNeeded

#: Needed by whoever migrates, has a RabbitMQ, reads tokens, sends webhooks or asks a model. Megabytes each.
NEEDLESS: Final = {
    "aiohttp",
    "alembic",
    "anthropic",
    "chromadb",
    "cryptography",
    "google.genai",
    "httpx2",
    "jwt",
    "mako",
    "mcp",
    "openai",
    "pika",
}


def test_what_serves_is_imported_without_what_it_may_never_need() -> None:
    """A third of what everything in one process held."""
    script = (
        "import sys\n"
        "from opspawn.cli.serving import _import_what_serves\n"
        "_import_what_serves()\n"
        "print(*sys.modules)"
    )
    found = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    modules = set(found.stdout.split())
    assert "opspawn.bootstrap" in modules
    assert set() == NEEDLESS & modules


async def test_the_client_of_webhooks_is_made_once_and_at_the_first_delivery() -> None:
    """Deliveries that come together share it."""
    made: list[Sender] = []

    class Counted(_SenderWhenNeeded):
        def _made(self) -> Sender:
            made.append(super()._made())
            return made[-1]

    sender = Counted(Settings(_env_file=None))
    assert [] == made
    posts = (sender.post("https://127.0.0.1/", b"{}", {}) for _ in range(3))
    answers = await asyncio.gather(*posts, return_exceptions=True)
    assert [Refused] * 3 == [type(answer) for answer in answers]
    assert 1 == len(made)
