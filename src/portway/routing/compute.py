"""All doors of a cluster: documents -> what they come to; with endpoints, a RouteTable."""

from collections.abc import Mapping

from msgspec import Struct

from portway.routing.documents import Doc, Documents, Name
from portway.routing.gateways import Forward, Gated, gated
from portway.routing.ingresses import Entered, entered
from portway.routing.pools import SlicesOf, filled
from portway.routing.reports import Complaint, GatewayReport, ListenerSetReport, PolicyReport, RouteReport
from portway.routing.table import Certificate, Listener, Pool, RouteTable


class Doors(Struct, frozen=True):
    """What the documents come to; endpoints change more often than all of it and are not in here."""

    listeners: tuple[Listener, ...]
    pools: Mapping[str, Pool]
    """Without endpoints."""
    certificates: Mapping[str, Certificate]
    forwards: tuple[Forward, ...]
    gateways: tuple[GatewayReport, ...]
    listener_sets: tuple[ListenerSetReport, ...]
    routes: tuple[RouteReport, ...]
    policies: tuple[PolicyReport, ...]
    ingresses: tuple[Doc, ...]
    """Those of ours, oldest first."""
    complaints: tuple[Complaint, ...]


def compute(documents: Documents) -> Doors:
    """Of all Ingresses and Gateways of our classes."""
    return _joined(entered(documents), gated(documents))


def _joined(ingress: Entered, gateway: Gated) -> Doors:
    return Doors(
        (*(ingress.listeners if ingress.ours else ()), *gateway.listeners),
        {**ingress.pools, **gateway.pools},
        {**ingress.certificates, **gateway.certificates},
        gateway.forwards,
        gateway.gateways,
        gateway.listener_sets,
        gateway.routes,
        gateway.policies,
        ingress.ours,
        ingress.complaints,
    )


def table(doors: Doors, slices_of: SlicesOf, services: Mapping[Name, Doc]) -> RouteTable:
    """The doors with the endpoints of now."""
    return RouteTable(doors.listeners, filled(doors.pools, slices_of, services), doors.certificates)
