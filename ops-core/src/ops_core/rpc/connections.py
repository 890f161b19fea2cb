"""How long a connection of the gRPC door lives, and how both sides find out that the other one has gone."""

from dataclasses import dataclass

#: A client may ping this often, whether or not it has a call open. Seconds; one that pings more often is
#: disconnected (ENHANCE_YOUR_CALM).
PINGS_EVERY_S = 10

#: For the answer to a ping. Seconds.
PING_TIMEOUT_S = 10

#: Calls under way on one connection, streams among them; a client that wants more opens another one.
CALLS_AT_ONCE = 1000

#: For calls on a connection that has reached its age. Seconds.
AGE_GRACE_S = 30


@dataclass(frozen=True, slots=True, kw_only=True)
class Connections:
    """None leaves it to the other side."""

    keepalive_s: float = 30.0
    """A connection that is silent for so long is pinged; one that does not answer is closed."""

    max_idle_s: float | None = None
    """A connection without a call for so long is closed; its client opens another one when it needs it."""

    max_age_s: float | None = None
    """A connection is closed after so long, so that clients find servers that came later."""

    def options(self) -> list[tuple[str, int]]:
        """The same in gRPC's words (grpc_types.h)."""
        limits_s = {
            "grpc.keepalive_time_ms": self.keepalive_s,
            "grpc.keepalive_timeout_ms": PING_TIMEOUT_S,
            "grpc.http2.min_ping_interval_without_data_ms": PINGS_EVERY_S,
            "grpc.max_connection_idle_ms": self.max_idle_s,
            "grpc.max_connection_age_ms": self.max_age_s,
            "grpc.max_connection_age_grace_ms": AGE_GRACE_S if self.max_age_s else None,
        }
        set_s = {name: value for name, value in limits_s.items() if value is not None}
        return [
            # Between two calls, too: a client that waits for its next one wants to know as well.
            ("grpc.keepalive_permit_without_calls", 1),
            ("grpc.max_concurrent_streams", CALLS_AT_ONCE),
            *((name, round(value * 1000)) for name, value in set_s.items()),
        ]
