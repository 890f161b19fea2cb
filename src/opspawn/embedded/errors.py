"""What can go wrong with the embedded PostgreSQL: always something that its operator can mend."""


class EmbeddedError(Exception):
    """The embedded PostgreSQL cannot be used; the message is one line that says what to do next."""
