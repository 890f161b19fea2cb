"""The only module that names the MCP SDK: tells it the tools, and hands their calls over."""

import json
from typing import Any, Final

import mcp_types as types
from mcp.server.context import ServerRequestContext
from mcp.server.lowlevel import Server
from mcp.server.streamable_http_manager import StreamableHTTPSessionManager
from mcp.shared.exceptions import MCPError
from pydantic import BaseModel
from starlette.requests import Request

from ops_core.api.admission import admit
from ops_core.errors import OpsError
from ops_core.mcp.desk import Call, Desk
from ops_core.mcp.toolbox import called, problem_of, tool_named, tools_for
from ops_core.mcp.tools import AgentRun, Tool
from ops_core.task import JsonObject

_INSTRUCTIONS: Final = (
    "Runs work of agents as durable tasks: a task goes on when the connection ends. Give an agent a goal "
    "with its run_ tool; when the call returns before the task has ended, use wait_task with its task_id. "
    "A status of waiting means that somebody is needed: waiting_for says for what."
)

Context = ServerRequestContext[Any, Request]


def manager_of(desk: Desk, *, version: str, max_body_bytes: int) -> StreamableHTTPSessionManager:
    """Serves the tools over HTTP. Without sessions: any process behind a load balancer may answer."""
    return StreamableHTTPSessionManager(
        _server(desk, version), stateless=True, max_request_body_size=max_body_bytes
    )


def _server(desk: Desk, version: str) -> Server[Any]:
    async def list_tools(
        context: Context, _params: types.PaginatedRequestParams | None
    ) -> types.ListToolsResult:
        try:
            who = await admit(_request(context), "list_tasks")
            tools = await tools_for(desk, who)
        except OpsError as error:
            said = problem_of(error)
            raise MCPError(types.INTERNAL_ERROR, str(said["detail"]), said) from None
        return types.ListToolsResult(tools=[_told(tool) for tool in tools])

    async def call_tool(
        context: Context, params: types.CallToolRequestParams
    ) -> types.CallToolResult:
        tool = tool_named(params.name)
        if tool is None:
            known = "tools/list says which there are"
            raise MCPError(
                types.INVALID_PARAMS, f"There is no tool {params.name[:100]!r}; {known}."
            )

        async def progress(seq: int, what: str) -> None:
            await context.session.report_progress(float(seq), None, what)

        try:
            arguments = params.arguments or {}
            about = arguments.get("task_id") or arguments.get("approval_id") or ""
            who = await admit(_request(context), tool.operation, str(about)[:100])
        except OpsError as error:
            return _result(problem_of(error))
        call = Call(desk=desk, who=who, progress=progress)
        return _result(await called(tool, call, arguments))

    return Server(
        "opspawn",
        version=version,
        instructions=_INSTRUCTIONS,
        on_list_tools=list_tools,
        on_call_tool=call_tool,
        # Only for schemas that name a header for an argument: none of ours does.
        get_tool_input_schema=lambda _name: None,
    )


def _request(context: Context) -> Request:
    assert context.request is not None  # only of a server that speaks over pipes
    return context.request


def _told(tool: Tool) -> types.Tool:
    return types.Tool(
        name=tool.name,
        description=tool.description,
        input_schema=tool.takes,
        output_schema=tool.gives.model_json_schema(mode="serialization"),
        annotations=types.ToolAnnotations(
            read_only_hint=tool.reads_only, destructive_hint=tool.destroys
        ),
    )


def _result(given: BaseModel | JsonObject) -> types.CallToolResult:
    """The JSON as such, and as text for clients that know no other."""
    if isinstance(given, dict):
        text = f"{given['type']}: {given['detail']}"
        return types.CallToolResult(content=[_text(text)], structured_content=given, is_error=True)
    content = given.model_dump(mode="json")
    text = json.dumps(content, ensure_ascii=False)
    if isinstance(given, AgentRun) and given.answer is not None:
        text = given.answer
    return types.CallToolResult(content=[_text(text)], structured_content=content)


def _text(text: str) -> types.TextContent:
    return types.TextContent(type="text", text=text)
