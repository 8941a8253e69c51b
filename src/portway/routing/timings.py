"""How long a door waits for whom."""

from msgspec import Struct


class Timings(Struct, frozen=True):
    """Seconds."""

    head: float = 10.0
    """For a request's head, from its first byte; more is answered 408. Also for a TLS handshake."""
    idle: float = 60.0
    """Between two requests of a connection."""
    connect: float = 2.0
    """To an endpoint; then another one is tried."""
    answer: float = 60.0
    """Of silence of a backend, or of a client that sends a body (408); routes may say less (504)."""
    tunnel: float = 3600.0
    """Of silence both ways in a WebSocket or a connection that is passed through."""
    kept: float = 4.0
    """An idle connection to a backend: below the five seconds after which common servers close theirs."""
    drain: float = 30.0
    """For what is under way when the engine stops."""
    last_chance: float = 3.0
    """Of an idle client to ask once more when the engine stops: its request may be on its way."""
