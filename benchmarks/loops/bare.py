"""The OpenAI SDK and the least code that makes an agent of it: what the loops' overhead is measured from."""

import json
from typing import Any

import openai
from benchmarks.loops.driver import INSTRUCTIONS, Run, main

TOOL: Any = {
    "type": "function",
    "function": {
        "name": "multiply",
        "description": "Multiply two numbers.",
        "parameters": {
            "type": "object",
            "properties": {"a": {"type": "integer"}, "b": {"type": "integer"}},
            "required": ["a", "b"],
        },
    },
}


def make(url: str) -> Run:
    client = openai.AsyncOpenAI(base_url=url, api_key="none", max_retries=0, timeout=120)

    async def run(goal: str) -> str:
        messages: list[Any] = [
            {"role": "system", "content": INSTRUCTIONS},
            {"role": "user", "content": goal},
        ]
        while True:
            completion = await client.chat.completions.create(
                model="m", messages=messages, tools=[TOOL]
            )
            message: Any = completion.choices[0].message
            if not message.tool_calls:
                return str(message.content)
            messages.append(message.model_dump(exclude_none=True))
            for call in message.tool_calls:
                numbers = json.loads(call.function.arguments)
                product = str(numbers["a"] * numbers["b"])
                messages.append({"role": "tool", "tool_call_id": call.id, "content": product})

    return run


if __name__ == "__main__":
    main(make)
