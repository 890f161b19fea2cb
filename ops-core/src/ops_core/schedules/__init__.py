"""Tasks that are submitted by the clock: what a schedule is, when it fires, what clients may do with it."""
