"""Restate: a service whose handler journals five steps. Run in the peers' environment.

`python -m benchmarks.peers.restate_service PORT`. Restate's server calls it over HTTP/2.
"""

import asyncio
import logging
import sys

import hypercorn.asyncio
import hypercorn.config
import restate

STEPS = 5

five = restate.Service("five")


async def _step() -> int:
    return 1


@five.handler()
async def run(ctx: restate.Context) -> str:
    for number in range(STEPS):
        await ctx.run_typed(f"step-{number}", _step)
    return "done"


async def main(port: int) -> None:
    logging.disable(logging.WARNING)
    config = hypercorn.config.Config()
    config.bind = [f"127.0.0.1:{port}"]
    config.h2_max_concurrent_streams = 100_000
    config.keep_alive_max_requests = 10_000_000
    await hypercorn.asyncio.serve(restate.app([five]), config)


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1])))
