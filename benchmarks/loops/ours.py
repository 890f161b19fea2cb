"""agentkit."""

from benchmarks.loops.driver import INSTRUCTIONS, Run, main

from agentkit import Agent, AgentProfile, AllowList, OpenAiClient, tool


@tool(effect="pure")
async def multiply(a: int, b: int) -> int:
    """Multiply two numbers."""
    return a * b


def make(url: str) -> Run:
    agent = Agent(
        OpenAiClient("m", "none", url),
        tools=[multiply],
        profile=AgentProfile(instructions=INSTRUCTIONS),
        security=AllowList(["multiply"]),
    )

    async def run(goal: str) -> str:
        return (await agent.run(goal)).output

    return run


if __name__ == "__main__":
    main(make)
