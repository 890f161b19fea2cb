"""What agents remember, for the doors: the port of ops_core over the long-term memory of agentkit.

`access` belongs to every process with a door and imports no agent code before it is used; `shelf`, which it
imports then, is the adapter.
"""
