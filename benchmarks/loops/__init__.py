"""The same agent in four hands: agentkit, two peers, and the bare SDK that all three stand on."""
