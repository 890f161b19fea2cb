"""The A2A door: each agent as an agent of the Agent2Agent protocol, version 1.0, over JSON-RPC.

Written by hand: what is needed is small, and the protocol's own Python SDK brings a task store and a run loop
of its own, which here would stand beside ours. An independent client is its judge in the tests.
"""
