"""What the people who wrote the documents are to be told: conditions and complaints."""

from msgspec import Struct

from portway.routing.documents import Doc, Name


class Condition(Struct, frozen=True):
    """A `metav1.Condition` without its times."""

    type: str
    status: bool
    reason: str
    message: str = ""


class ListenerReport(Struct, frozen=True):
    """status.listeners of a Gateway or ListenerSet."""

    name: str
    supported_kinds: tuple[tuple[str, str], ...]
    """(group, kind)."""
    attached_routes: int
    conditions: tuple[Condition, ...]


class GatewayReport(Struct, frozen=True):
    """A Gateway as its documents alone say; whether it has an address is known elsewhere."""

    name: Name
    accepted: Condition
    listeners: tuple[ListenerReport, ...] = ()
    programmable: bool = True
    """Whether any listener can serve."""
    addresses: tuple[str, ...] = ()
    """IP addresses that it asks for."""
    attached_sets: int = 0
    """ListenerSets that are accepted."""
    warnings: tuple[Condition, ...] = ()
    """Conditions of types that are there only while they are True."""
    resolved: Condition | None = None
    """Of what `spec.tls.backend` refers to; None: nothing."""


class ListenerSetReport(Struct, frozen=True):
    """A ListenerSet of one of our Gateways."""

    name: Name
    gateway: Name
    accepted: Condition
    listeners: tuple[ListenerReport, ...] = ()


class ParentReport(Struct, frozen=True):
    """An entry of a route's status.parents."""

    parent: Doc
    """The parentRef as it is written."""
    conditions: tuple[Condition, ...]


class RouteReport(Struct, frozen=True):
    """A route's status, as far as it is ours."""

    kind: str
    name: Name
    parents: tuple[ParentReport, ...]


class AncestorReport(Struct, frozen=True):
    """An entry of a policy's status.ancestors."""

    ancestor: Doc
    """A reference to a Gateway."""
    conditions: tuple[Condition, ...]


class PolicyReport(Struct, frozen=True):
    """A BackendTLSPolicy's status, as far as it is ours."""

    name: Name
    ancestors: tuple[AncestorReport, ...]


class Complaint(Struct, frozen=True):
    """A Warning Event about an Ingress."""

    regarding: Doc
    reason: str
    message: str
