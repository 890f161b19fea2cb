"""What both transports share: headers, time limits, and what became of a request in our words."""

import ipaddress
import ssl
from typing import Any, Final
from urllib.parse import urlsplit

import httpx2

from opspawn.client.call import Call, Json
from opspawn.client.errors import OpspawnError
from opspawn.client.rules import Lost, Reply

#: For a request; the server answers from its database, so this is generous. Seconds.
TIMEOUT_S: Final = 10.0

#: A stream is silent for as long as its task, but for a sign of life now and then. Seconds.
SILENCE_S: Final = 60.0

STREAM: Final = "text/event-stream"

#: What may be raised when nothing was sent.
_UNSENT: Final = (httpx2.ConnectError, httpx2.ConnectTimeout, httpx2.PoolTimeout)


def client_settings(url: str, api_key: str | None) -> dict[str, Any]:
    """Arguments of both clients of httpx2."""
    if urlsplit(url).scheme not in {"http", "https"} or not urlsplit(url).hostname:
        raise OpspawnError(f"{shown(url)!r} is not an HTTP address, such as http://127.0.0.1:8000.")
    headers = {"Authorization": f"Bearer {api_key}"} if api_key else {}
    return {
        "headers": headers,
        "timeout": TIMEOUT_S,
        # A stream holds a connection for as long as its task takes: one more must not wait for that.
        "limits": httpx2.Limits(max_connections=None, max_keepalive_connections=100),
        # A proxy from the environment cannot reach a server on this machine.
        "trust_env": not is_local(url),
        "verify": authorities(url),
    }


def authorities(url: str) -> ssl.SSLContext | bool:
    """Whose certificates are good: the usual ones, and those of SSL_CERT_FILE.

    For a server on this machine nothing else of the environment is looked at, so OpenSSL is asked for both.
    """
    is_own = is_local(url) and urlsplit(url).scheme == "https"
    return ssl.create_default_context() if is_own else True


def request_arguments(url: str, call: Call[Any], *, stream: bool = False) -> dict[str, Any]:
    """Arguments of `build_request` for a call to the server at `url`."""
    read_s = SILENCE_S if stream else TIMEOUT_S + call.held_s
    return {
        "method": call.method,
        "url": f"{url}/api/v1{call.path}",
        "params": dict(call.params) or None,
        "json": call.body,
        "headers": dict(call.headers),
        "timeout": httpx2.Timeout(TIMEOUT_S, read=read_s),
    }


def reply(answer: httpx2.Response) -> Reply:
    """An answer whose body was read."""
    headers = {name.lower(): value for name, value in answer.headers.items()}
    return Reply(answer.status_code, headers, _json_object(answer))


def is_stream(answer: httpx2.Response) -> bool:
    kind: str = answer.headers.get("content-type", "")
    return answer.is_success and kind.partition(";")[0].strip() == STREAM


def lost(url: str, error: Exception) -> Lost:
    """For what a request was not answered with."""
    why = str(error) or type(error).__name__
    where = f"No Opspawn answers at {shown(url)} ({why})."
    return Lost(where, sent=not isinstance(error, _UNSENT))


def shown(url: str) -> str:
    """The address without a name and a password, which it may have for a proxy before the server."""
    scheme, mark, rest = url.partition("://")
    before, slash, path = rest.partition("/")
    return f"{scheme}{mark}{before.rpartition('@')[2]}{slash}{path}"


def _json_object(answer: httpx2.Response) -> Json | None:
    try:
        body = answer.json()
    except ValueError:
        return None
    return body if isinstance(body, dict) else None


def is_local(url: str) -> bool:
    """Whether the server is on this machine."""
    host = urlsplit(url).hostname or ""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
