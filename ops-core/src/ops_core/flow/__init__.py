"""How many tasks of a concurrency key run at once, and how many may start in a while."""
