"""Makes any handler a durable task: store, queue, upkeep, REST and gRPC doors."""
