"""openai-agents, tracing off."""

from agents import (
    Agent,
    OpenAIChatCompletionsModel,
    Runner,
    function_tool,
    set_tracing_disabled,
)
from benchmarks.loops.driver import INSTRUCTIONS, Run, main
from openai import AsyncOpenAI


@function_tool
async def multiply(a: int, b: int) -> int:
    """Multiply two numbers."""
    return a * b


def make(url: str) -> Run:
    set_tracing_disabled(True)
    client = AsyncOpenAI(base_url=url, api_key="none", max_retries=0, timeout=120)
    model = OpenAIChatCompletionsModel(model="m", openai_client=client)
    agent = Agent(name="agent", instructions=INSTRUCTIONS, model=model, tools=[multiply])

    async def run(goal: str) -> str:
        return str((await Runner.run(agent, goal, max_turns=20)).final_output)

    return run


if __name__ == "__main__":
    main(make)
