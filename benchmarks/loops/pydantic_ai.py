"""pydantic-ai."""

from benchmarks.loops.driver import INSTRUCTIONS, Run, main
from openai import AsyncOpenAI
from pydantic_ai import Agent
from pydantic_ai.models.openai import OpenAIChatModel
from pydantic_ai.providers.openai import OpenAIProvider


def make(url: str) -> Run:
    client = AsyncOpenAI(base_url=url, api_key="none", max_retries=0, timeout=120)
    model = OpenAIChatModel("m", provider=OpenAIProvider(openai_client=client))
    agent = Agent(model, instructions=INSTRUCTIONS)

    @agent.tool_plain
    async def multiply(a: int, b: int) -> int:
        """Multiply two numbers."""
        return a * b

    async def run(goal: str) -> str:
        return (await agent.run(goal)).output

    return run


if __name__ == "__main__":
    main(make)
