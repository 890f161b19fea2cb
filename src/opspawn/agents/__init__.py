"""The seam between the two libraries: `agentkit` agents as handlers of durable tasks."""
