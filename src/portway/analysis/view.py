"""Objects as checks read them: typed, with Kubernetes' defaults, whatever shape documents have; each with its place.

A field of another shape than Kubernetes' counts as not there: refusing it is the API server's business.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from msgspec import Struct

from portway.analysis.bundle import Bundle, Item, Path, Workload, dig, steps, strings
from portway.analysis.finding import Where
from portway.kubeapi.errors import Doc

PROTOCOLS = ("TCP", "UDP", "SCTP")


class PortView(Struct, frozen=True):
    """`Service.spec.ports[]`."""

    item: Item
    path: tuple[str | int, ...]
    name: str
    port: int
    """0 where none is written."""
    protocol: str
    target_port: int | str
    """Defaulted to `port`."""
    target_written: bool
    node_port: int
    """0: none is written."""
    app_protocol: str

    def where(self, field: str = "") -> Where:
        """The place of one of its fields, or its own."""
        return self.item.where((*self.path, field) if field else self.path)

    @property
    def text(self) -> str:
        """`http 80/TCP`, `80/TCP`."""
        return f"{self.name} {self.port}/{self.protocol}".strip()


class ServiceView(Struct, frozen=True):
    """A Service."""

    item: Item
    type: str
    selector: Mapping[str, str]
    ports: tuple[PortView, ...]
    headless: bool

    @property
    def namespace(self) -> str:
        """Its namespace."""
        return self.item.namespace

    @property
    def name(self) -> str:
        """Its name."""
        return self.item.name

    @property
    def exposed(self) -> bool:
        """Whether somebody outside the cluster can dial it by itself: NodePort, LoadBalancer or externalIPs."""
        return self.type in ("NodePort", "LoadBalancer") or bool(self.external_ips)

    @property
    def external_ips(self) -> tuple[str, ...]:
        """`spec.externalIPs`."""
        return words(self.item.get("spec.externalIPs"))

    @property
    def has_node_ports(self) -> bool:
        """Whether its ports get nodePorts."""
        allocates = self.item.get("spec.allocateLoadBalancerNodePorts", True) is not False
        return self.type == "NodePort" or (self.type == "LoadBalancer" and allocates)

    @property
    def external_policy(self) -> str:
        """`externalTrafficPolicy`, Cluster where none is written."""
        return word(self.item.get("spec.externalTrafficPolicy")) or "Cluster"

    @property
    def internal_policy(self) -> str:
        """`internalTrafficPolicy`, Cluster where none is written."""
        return word(self.item.get("spec.internalTrafficPolicy")) or "Cluster"

    def port(self, wanted: int | str) -> PortView | None:
        """The port of that number, or of that name."""
        key = "port" if isinstance(wanted, int) else "name"
        return next((port for port in self.ports if getattr(port, key) == wanted), None)


class ContainerPort(Struct, frozen=True):
    """A container port of a workload's pods."""

    workload: Workload
    path: tuple[str | int, ...]
    container: str
    name: str
    number: int
    protocol: str
    host_port: int
    """0: none. On the host's network, `number`."""

    def where(self, field: str = "") -> Where:
        """The place of one of its fields, or its own."""
        return self.workload.item.where((*self.path, field) if field else self.path)

    @property
    def text(self) -> str:
        """`http 8080/TCP`, `8080/TCP`."""
        return f"{self.name} {self.number}/{self.protocol}".strip()


def services(bundle: Bundle) -> tuple[ServiceView, ...]:
    """All Services, in input order."""
    return bundle.derived(_services)


def _services(bundle: Bundle) -> tuple[ServiceView, ...]:
    return tuple(service(item) for item in bundle.of("Service"))


def service(item: Item) -> ServiceView:
    """A Service document as a view."""
    return ServiceView(
        item,
        word(item.get("spec.type")) or "ClusterIP",
        strings(item.get("spec.selector")),
        tuple(_port(item, index, port) for index, port in objects(item.get("spec.ports"))),
        item.get("spec.clusterIP") == "None",
    )


def _port(item: Item, index: int, port: Doc) -> PortView:
    target = port.get("targetPort")
    written = isinstance(target, int | str) and not isinstance(target, bool) and target not in (0, "")
    return PortView(
        item,
        ("spec", "ports", index),
        word(port.get("name")),
        number(port.get("port")),
        word(port.get("protocol")) or "TCP",
        target if written else number(port.get("port")),  # type: ignore[arg-type]
        written,
        number(port.get("nodePort")),
        word(port.get("appProtocol")),
    )


def container_ports(workload: Workload) -> tuple[ContainerPort, ...]:
    """What a workload's pods declare, in the order in which Kubernetes looks."""
    return workload.derived(_container_ports)


def _container_ports(workload: Workload) -> tuple[ContainerPort, ...]:
    return tuple(_declared(workload))


def _declared(workload: Workload) -> Iterator[ContainerPort]:
    on_host = workload.pod_spec.get("hostNetwork") is True
    for path, port in workload.ports():
        container = dig(workload.item.value, path[:-2], {})
        declared = number(port.get("containerPort"))
        yield ContainerPort(
            workload,
            path,
            word(container.get("name")),
            word(port.get("name")),
            declared,
            word(port.get("protocol")) or "TCP",
            declared if on_host else number(port.get("hostPort")),
        )


def resolve(port: PortView, workload: Workload) -> int | None:
    """The number of a Service port's targetPort in a workload's pods; None when they do not define the name.

    Source: FindPort (pkg/api/v1/pod/util.go): name and protocol must both be equal; the first one counts.
    """
    if isinstance(port.target_port, int):
        return port.target_port
    wanted = port.target_port, port.protocol
    return next((c.number for c in container_ports(workload) if (c.name, c.protocol) == wanted), None)


def objects(value: Any) -> Iterator[tuple[int, Doc]]:
    """The objects in a list, with their indexes."""
    if isinstance(value, list):
        yield from ((index, one) for index, one in enumerate(value) if isinstance(one, dict))


def inside(item: Item, path: Path) -> Iterator[tuple[tuple[str | int, ...], Doc]]:
    """The objects of the list at a path of a document, with the path of each."""
    for index, one in objects(item.get(path)):
        yield (*steps(path), index), one


def word(value: Any) -> str:
    """A string; empty for anything else."""
    return value if isinstance(value, str) else ""


def words(value: Any) -> tuple[str, ...]:
    """The strings in a list."""
    return tuple(one for one in value if isinstance(one, str)) if isinstance(value, list) else ()


def number(value: Any) -> int:
    """An integer; 0 for anything else."""
    return value if isinstance(value, int) and not isinstance(value, bool) else 0
