"""The operations of REST, as the application lists them: those of its document, and what stands beside it."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import quote, urlencode

from asgi_call import STREAM_S, call
from fastapi import FastAPI
from fuzz_draft import Draft
from fuzz_operation import Sent, Told
from fuzz_values import chosen
from starlette.routing import Route

from ops_core.identity.needs import PUBLIC

_JSON: Final = {"content-type": "application/json"}

#: Routes that the document does not have, and which operations of this file or of another stand for them.
BESIDE: Final = {
    ("GET", "/openapi.json"): "plain",
    ("GET", "/docs"): "plain",
    ("GET", "/docs/oauth2-redirect"): "plain",
    ("GET", "/redoc"): "plain",
    ("GET", "/.well-known/agent-card.json"): "plain",
    ("GET", "/a2a/{agent}/.well-known/agent-card.json"): "card",
    ("GET", "/l/{token}"): "link",
    ("POST", "/l/{token}"): "link",
    ("POST", "/a2a/{agent}"): "operations_agents",
    ("*", "/mcp"): "operations_agents",
}


@dataclass(frozen=True)
class Rest:
    """One operation of the document."""

    app: FastAPI
    method: str
    path: str
    name: str
    in_path: tuple[str, ...] = ()
    in_query: tuple[str, ...] = ()
    in_header: tuple[str, ...] = ()
    in_body: tuple[str, ...] = ()
    required: frozenset[str] = frozenset()
    has_body: bool = False
    is_form: bool = False
    is_stream: bool = False

    @property
    def label(self) -> str:
        return f"{self.method} {self.path}"

    @property
    def is_public(self) -> bool:
        return self.name in PUBLIC or not self.path.startswith(("/api/", "/a2a/", "/metrics"))

    def names(self) -> set[str]:
        return {*self.in_path, *self.in_query, *self.in_header, *self.in_body}

    def draft(self, draft: Draft) -> Sent:
        path = self.path
        for name, value in self._say(self.in_path, draft).items():
            path = path.replace(f"{{{name}}}", str(value) or "-")
        body = self._say(self.in_body, draft)
        query = [(name, _plain(value)) for name, value in self._say(self.in_query, draft).items()]
        headers = {name: _header(v) for name, v in self._say(self.in_header, draft).items()}
        if self.is_stream and draft.maybe(0.5):
            headers["accept"] = "text/event-stream"
        if self.is_form:
            form = urlencode(body).encode()
            headers["content-type"] = "application/x-www-form-urlencoded"
            return Sent(self.method, path, urlencode(query), headers, form)
        sent = json.dumps(body).encode() if self.has_body else b""
        return Sent(
            self.method, path, urlencode(query), headers | (_JSON if self.has_body else {}), sent
        )

    def _say(self, names: tuple[str, ...], draft: Draft) -> dict[str, Any]:
        required = set(self.in_path) | self.required
        return chosen(self.name, required, list(names), draft)

    async def send(self, sent: Sent, key: str | None) -> Told:
        """Raises `TimeoutError`."""
        return await http(self.app, sent, key)


async def http(app: FastAPI, sent: Sent, key: str | None, *, listens_s: float = STREAM_S) -> Told:
    """Sends it. Raises `TimeoutError`."""
    headers = {**sent.headers, **({"authorization": f"Bearer {key}"} if key else {})}
    answer = await call(
        app,
        sent.method,
        sent.path,
        query=sent.query,
        headers=headers,
        body=sent.body,
        listens_s=listens_s,
    )
    heads = "\n".join(value for name, value in answer.headers.items() if name != "x-request-id")
    return Told(
        status=str(answer.status),
        is_ok=answer.status < 400,
        data=heads.encode() + b"\n\n" + answer.body,
        content=_read(answer.body),
        is_broken=answer.status >= 500,
    )


def rest_operations(app: FastAPI) -> Iterator[Rest]:
    """Raises `KeyError` for a route that nobody has said anything about."""
    document = app.openapi()
    described = {
        (method.upper(), path): operation
        for path, operations in document["paths"].items()
        for method, operation in operations.items()
    }
    for method, path in sorted(routes_of(app)):
        if (method, path) in described:
            yield _described(app, method, path, described[method, path], document)
        else:
            kind = BESIDE[method, path]
            if kind in {"plain", "card", "link"}:
                yield _beside(app, method, path, kind)


def routes_of(app: FastAPI) -> set[tuple[str, str]]:
    """Every method and path that the application answers."""
    # Included routers, which FastAPI keeps as such, are in the first list.
    beside = [route for route in app.router.routes if isinstance(route, Route)]
    return {
        (method, route.path_format)
        for route in (*app.state.routes, *beside)
        for method in (route.methods or {"*"})
        if method != "HEAD"
    }


def _described(
    app: FastAPI, method: str, path: str, operation: dict[str, Any], document: dict[str, Any]
) -> Rest:
    places: dict[str, list[str]] = {"path": [], "query": [], "header": []}
    required = set[str]()
    for parameter in operation.get("parameters", ()):
        places[parameter["in"]].append(parameter["name"])
        required |= {parameter["name"]} if parameter.get("required") else set()
    content = operation.get("requestBody", {}).get("content", {})
    body = _resolved(content["application/json"]["schema"], document) if content else {}
    answers = operation["responses"].get("200", {}).get("content", {})
    return Rest(
        app=app,
        method=method,
        path=path,
        name=operation["operationId"],
        in_path=tuple(places["path"]),
        in_query=tuple(places["query"]),
        in_header=tuple(places["header"]),
        in_body=tuple(body.get("properties", ())),
        required=frozenset(required | set(body.get("required", ()))),
        has_body=bool(content),
        is_stream="text/event-stream" in answers,
    )


def _beside(app: FastAPI, method: str, path: str, kind: str) -> Rest:
    in_path = {"card": ("agent",), "link": ("token",)}.get(kind, ())
    is_form = method == "POST"
    return Rest(
        app=app,
        method=method,
        path=path,
        name={"link": "use_link", "card": "get_task"}.get(kind, "plain"),
        in_path=in_path,
        in_body=("decision", "comment") if is_form else (),
        is_form=is_form,
    )


def _resolved(schema: dict[str, Any], document: dict[str, Any]) -> dict[str, Any]:
    name = schema["$ref"].rpartition("/")[2]
    found: dict[str, Any] = document["components"]["schemas"][name]
    return found


def _plain(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _header(value: Any) -> str:
    return quote(str(value), safe="=-_ ")


def _read(body: bytes) -> Any:
    """JSON, or the data of server-sent events."""
    if body.startswith((b"{", b"[")):
        return json.loads(body)
    if b"data: " in body:
        lines = body.replace(b"\r\n", b"\n").split(b"\n")
        told = [line.removeprefix(b"data: ") for line in lines if line.startswith(b"data: ")]
        return [json.loads(line) for line in told if line.startswith(b"{")]
    return None
