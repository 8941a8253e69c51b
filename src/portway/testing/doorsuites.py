"""What documents must come to, as requests and their fates: the Ingress conformance features and Gateway API's core.

Each suite retells cases of kubernetes-sigs/ingress-controller-conformance or of gateway-api's conformance/tests in
documents of our own. `decide` answers them here; engines answer them on sockets.
"""

from typing import NamedTuple

from portway.routing.compute import compute, table
from portway.routing.decide import decide, pick
from portway.routing.documents import Doc, Documents
from portway.routing.edits import edited_headers
from portway.routing.hosts import host_of, listener_for
from portway.routing.table import Decision, Request, RouteTable
from portway.testing.doordocs import (
    documents,
    endpoint_slice,
    service,
)

GATEWAY = "gateway/shop/door"
INGRESS = "ingress"


class Row(NamedTuple):
    """A request at a port of a door, and what becomes of it."""

    request: Request
    fate: str
    """The Service that gets it, a status in digits, or a Location."""
    port: int = 80
    path: str = ""
    """That the backend sees, if another one is."""
    headers: tuple[tuple[str, str], ...] = ()
    """That the backend sees, among others; names in lower case."""


class Suite(NamedTuple):
    """Documents and what they come to."""

    name: str
    door: str
    documents: tuple[Doc, ...]
    rows: tuple[Row, ...]

    def __repr__(self) -> str:
        return self.name


def backends(*names: str) -> list[Doc]:
    """Services of port 80 with one endpoint each, in the order of their names."""
    services = [service(name, {"port": 80, "targetPort": 8080}) for name in names]
    return [*services, *(endpoint_slice(name, f"10.0.0.{number}") for number, name in enumerate(names, 1))]


def whole(suite: Suite) -> tuple[Documents, RouteTable]:
    """The suite's documents and its table."""
    given = documents(*suite.documents)
    slices = [document for document in suite.documents if document["kind"] == "EndpointSlice"]
    of_service = {
        (d["metadata"]["namespace"], d["metadata"]["labels"]["kubernetes.io/service-name"]): [d] for d in slices
    }
    doors = compute(given)
    return given, table(doors, lambda name: of_service.get(name, []), given.services)


def answer(made: RouteTable, door: str, row: Row) -> Decision | None:
    """What the table says; None: no listener takes it, which is answered 404."""
    listener = listener_for(made.listeners, door, row.port, host_of(row.request.host))
    return decide(made, listener, row.request) if listener else None


def fate(made: RouteTable, decision: Decision | None) -> str:
    """In the words of a Row."""
    if decision is None:
        return "404"
    if decision.status:
        return decision.location or str(decision.status)
    return made.pools[pick(decision.backends, 0.0).pool].service


def seen_headers(decision: Decision, sent: Request) -> tuple[tuple[str, str], ...]:
    """What the backend sees of the request's headers, names in lower case."""
    assert decision.route is not None
    chosen = pick(decision.backends, 0.0)
    edited = edited_headers(sent.headers, [decision.route.request_headers, chosen.request_headers])
    return tuple((name.lower(), value) for name, value in edited)


SHOP = backends("one", "two", "three", "four", "five", "six")
"""What most suites have behind them."""
