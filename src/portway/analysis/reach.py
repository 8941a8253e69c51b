"""Who stands in front of which Service, and which Services stand behind which door: what several checks ask."""

from collections.abc import Iterator, Mapping

from msgspec import Struct

from portway.analysis.bundle import Bundle, Item, Workload, strings
from portway.analysis.finding import Where
from portway.analysis.view import PortView, ServiceView, inside, number, resolve, service, services, word
from portway.kubeapi.errors import Doc


class Backend(Struct, frozen=True):
    """A door's reference to a Service port."""

    item: Item
    """The Ingress or route."""
    path: tuple[str | int, ...]
    """Of the reference."""
    namespace: str
    name: str
    port: int | str
    """A number or a name; 0: none is written."""
    port_path: tuple[str | int, ...]

    def where(self) -> Where:
        """The place of its port, or of the reference where there is none."""
        return self.item.where(self.port_path)


ROUTES = ("HTTPRoute", "GRPCRoute", "TLSRoute", "TCPRoute", "UDPRoute")
_FATES: Mapping[str, tuple[str, str]] = {
    "Ingress": ("requests", "answered 503"),
    "HTTPRoute": ("requests", "answered 500"),
    "GRPCRoute": ("requests", "answered 500"),
    "UDPRoute": ("datagrams", "refused"),
}


def fate(door: Item) -> tuple[str, str]:
    """What a door sends to a backend that cannot be used, and what becomes of it: ("requests", "answered 503")."""
    return _FATES.get(door.kind, ("connections", "refused"))


def ingress_backends(bundle: Bundle) -> Iterator[Backend]:
    """Every Service that an Ingress names, the default backend included."""
    for item in bundle.of("Ingress"):
        if item.get("spec.defaultBackend.service.name"):
            yield _of_ingress(item, ("spec", "defaultBackend"))
        for rule, _ in inside(item, "spec.rules"):
            for path, _ in inside(item, (*rule, "http", "paths")):
                if item.get((*path, "backend", "service", "name")):
                    yield _of_ingress(item, (*path, "backend"))


def _of_ingress(item: Item, path: tuple[str | int, ...]) -> Backend:
    port = (*path, "service", "port")
    by_number = number(item.get((*port, "number")))
    by_name = word(item.get((*port, "name")))
    field = "number" if by_number else "name" if by_name else ""
    place = (*port, field) if field else (*path, "service")
    name = word(item.get((*path, "service", "name")))
    return Backend(item, (*path, "service", "name"), item.namespace, name, by_number or by_name or 0, place)


def route_backends(bundle: Bundle) -> Iterator[Backend]:
    """Every Service that a Gateway API route names."""
    for item in bundle.of(*ROUTES):
        for rule, _ in inside(item, "spec.rules"):
            for path, reference in inside(item, (*rule, "backendRefs")):
                if word(reference.get("kind")) in ("", "Service") and not word(reference.get("group")):
                    yield _of_route(item, path, reference)


def _of_route(item: Item, path: tuple[str | int, ...], reference: Doc) -> Backend:
    port = number(reference.get("port"))
    namespace = word(reference.get("namespace")) or item.namespace
    place = (*path, "port") if port else path
    return Backend(item, (*path, "name"), namespace, word(reference.get("name")), port, place)


def doors_of(bundle: Bundle) -> Mapping[tuple[str, str], list[Backend]]:
    """The Ingresses and routes that lead to each Service, by (namespace, name)."""
    found: dict[tuple[str, str], list[Backend]] = {}
    for backend in (*ingress_backends(bundle), *route_backends(bundle)):
        found.setdefault((backend.namespace, backend.name), []).append(backend)
    return found


def exposed(bundle: Bundle) -> Iterator[tuple[ServiceView, str]]:
    """The Services that can be dialled from outside, and in a few words by what."""
    doors = doors_of(bundle)
    for one in services(bundle):
        if one.exposed:
            yield one, "its externalIPs" if one.type == "ClusterIP" else f"type {one.type}"
        elif backends := doors.get(one.item.key):
            yield one, backends[0].item.named


def targets(bundle: Bundle, one: ServiceView) -> Iterator[tuple[PortView, Workload, int]]:
    """Where a Service's ports lead: the workload and the number in its pods."""
    for workload in bundle.selected(one.namespace, one.selector):
        for port in one.ports:
            if resolved := resolve(port, workload):
                yield port, workload, resolved


def find_service(bundle: Bundle, namespace: str, name: str) -> ServiceView | None:
    """The Service of that name."""
    item = bundle.find("Service", namespace, name)
    return service(item) if item else None


def selects(selector: Doc, labels: Mapping[str, str]) -> bool:
    """Whether a LabelSelector (matchLabels, matchExpressions) selects these labels; one that is malformed does not."""
    if not strings(selector.get("matchLabels")).items() <= labels.items():
        return False
    listed = selector.get("matchExpressions")
    expressions = [one for one in listed if isinstance(one, dict)] if isinstance(listed, list) else []
    return all(_holds(one, labels) for one in expressions)


def _holds(expression: Doc, labels: Mapping[str, str]) -> bool:
    key, operator = word(expression.get("key")), expression.get("operator")
    listed = expression.get("values")
    values = [one for one in listed if isinstance(one, str)] if isinstance(listed, list) else []
    if operator == "In":
        return labels.get(key) in values
    if operator == "NotIn":
        return labels.get(key) not in values
    return (key in labels) == (operator == "Exists") and operator in ("Exists", "DoesNotExist")
