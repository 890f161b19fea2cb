"""What an Opspawn that does nothing holds: no library that only others need."""

import subprocess
import sys
from typing import Final

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
