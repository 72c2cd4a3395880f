"""The scenarios of the suite that need no authorization: the client of the official SDK alone."""

from __future__ import annotations

import mcp_types as types
from mcp import Client


async def accept(context, params):
    """Answer a question of the server with the defaults of its form."""
    schema = getattr(params, "requested_schema", None) or {}
    content = {
        name: facts["default"]
        for name, facts in schema.get("properties", {}).items()
        if "default" in facts
    }
    return types.ElicitResult(action="accept", content={"confirmed": True, **content})


async def sample(context, params):
    content = types.TextContent(type="text", text="")
    return types.CreateMessageResult(role="assistant", content=content, model="none")


async def roots(context):
    return types.ListRootsResult(roots=[])


def arguments_for(tool):
    """Return the required arguments of a tool, with any value of their type."""
    values = {"integer": 0, "number": 0, "boolean": False, "object": {}, "array": [], "null": None}
    properties = tool.input_schema.get("properties", {})
    return {
        name: values.get(properties.get(name, {}).get("type"), "x")
        for name in tool.input_schema.get("required", [])
    }


async def run(scenario: str, url: str, context: dict, mode: str) -> None:
    """Make the calls of a scenario."""
    if scenario == "json-schema-ref-no-deref":
        mode = "legacy"  # the server of this scenario speaks the earlier revision only
    callbacks = {
        "elicitation_callback": accept,
        "sampling_callback": sample,
        "list_roots_callback": roots,
    }
    async with Client(url, mode=mode, **callbacks) as client:
        tools = {tool.name: tool for tool in (await client.list_tools()).tools}
        if scenario in ("tools_call", "request-metadata", "http-standard-headers"):
            await client.call_tool("add_numbers", {"a": 5, "b": 3})
        elif scenario == "json-schema-2020-12-preservation":
            schema = tools["json_schema_2020_12_tool"].input_schema
            await client.call_tool("json_schema_echo", {"schema": schema})
        elif scenario == "sep-2322-client-request-state":
            for name in ("echo_state", "unrelated", "no_state", "no_result_type"):
                await call_if_possible(client, tools, f"test_mrtr_{name}", {})
        elif scenario == "http-custom-headers":
            for call in context.get("toolCalls", []):
                await call_if_possible(client, tools, call["name"], call.get("arguments") or {})
        elif scenario == "http-invalid-tool-headers":
            for tool in tools.values():
                await call_if_possible(client, tools, tool.name, arguments_for(tool))


async def call_if_possible(client, tools, name, arguments):
    """Call a tool that the SDK lists; the server may refuse the call."""
    if name in tools:
        try:
            await client.call_tool(name, arguments)
        except Exception as error:
            print(f"{name}: {error}")
