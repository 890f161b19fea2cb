"""Tasks followed live: the log read once for all who watch, and hints that make it quick.

`hub` reads · `watch` is one client's stream · `service` is what the doors call · `signals` is the port of
what is best effort: hints, and pieces of text that are not in the log.
"""
