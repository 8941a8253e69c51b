"""What was inside TLS that ended at a door, and may not go on in the clear."""

from collections.abc import Container, Iterable

from msgspec.structs import replace

from portway.routing.reports import Condition
from portway.routing.table import Route

REASON = "a BackendTLSPolicy wants TLS, which is not begun again behind a listener that has ended it"


def closed(guarded: Iterable[str]) -> Condition:
    """What a TLSRoute at such a listener is told; pools by their keys."""
    services = ", ".join(sorted(key.rpartition("/")[0] for key in guarded))
    return Condition("PartiallyInvalid", True, "UnsupportedValue", f"connections to {services} are closed: {REASON}")


def in_the_clear(route: Route, guarded: Container[str]) -> Route:
    """A TLSRoute's at a listener of mode Terminate: `guarded` pools have policies, and their share is refused."""
    backends = tuple(replace(b, pool="", reason=REASON) if b.pool in guarded else b for b in route.backends)
    return replace(route, backends=backends)
