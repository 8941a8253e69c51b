"""PW-W14: a Service without selector whose EndpointSlices do not fit its ports."""

from collections.abc import Iterator

from portway.analysis import examples
from portway.analysis.bundle import Bundle, Item
from portway.analysis.check import Check, Settings
from portway.analysis.finding import Finding, Fix
from portway.analysis.view import PortView, ServiceView, inside, services, word

_SERVICE_NAME = "kubernetes.io/service-name"


def _run(bundle: Bundle, settings: Settings) -> Iterator[Finding]:
    for service in services(bundle):
        if service.selector or service.type == "ExternalName" or not service.ports:
            continue
        given = [*_slices(bundle, service), *_endpoints(bundle, service)]
        if not given and bundle.in_scope("Service", service.namespace):
            yield _without(service)
        for port in service.ports if given else ():
            if not any(_joins(port, offered) for _, ports in given for _, offered in ports):
                yield _apart(port, given)


_Given = tuple[Item, list[tuple[tuple[str | int, ...], dict[str, object]]]]


def _slices(bundle: Bundle, service: ServiceView) -> Iterator[_Given]:
    for item in bundle.of("EndpointSlice"):
        if item.namespace == service.namespace and item.labels.get(_SERVICE_NAME) == service.name:
            yield item, list(inside(item, "ports"))


def _endpoints(bundle: Bundle, service: ServiceView) -> Iterator[_Given]:
    item = bundle.find("Endpoints", service.namespace, service.name)
    if item:
        subsets = [path for path, _ in inside(item, "subsets")]
        yield item, [found for path in subsets for found in inside(item, (*path, "ports"))]


def _joins(port: PortView, offered: dict[str, object]) -> bool:
    return (word(offered.get("name")), word(offered.get("protocol")) or "TCP") == (port.name, port.protocol)


def _without(service: ServiceView) -> Finding:
    return Finding(
        "PW-W14",
        "warning",
        f"{service.item.named} has no selector, and nothing here gives it endpoints",
        service.item.where("spec"),
        confidence="likely",
        hop="endpoint",
        expected="an EndpointSlice labelled kubernetes.io/service-name, or Endpoints of its name",
        effect="connections are refused",
    )


def _apart(port: PortView, given: list[_Given]) -> Finding:
    names = [word(offered.get("name")) or "(none)" for _, ports in given for _, offered in ports]
    item, ports = given[0]
    return Finding(
        "PW-W14",
        "error",
        f"{port.item.named}: no slice has a port named {port.name or '(none)'} for {port.protocol}",
        port.where("name"),
        hop="endpoint",
        others=(item.where(ports[0][0] if ports else ()),),
        seen=port.name or "(no name)",
        expected=", ".join(dict.fromkeys(names)) or "a port in the slice",
        effect="endpoints are joined to ports by name and protocol: this port has none and refuses",
        fix=Fix("write the same port name in the Service and in the slice"),
    )


def _example(name: str) -> str:
    slice_ = (
        "apiVersion: discovery.k8s.io/v1\nkind: EndpointSlice\n"
        "metadata: {name: db-1, labels: {kubernetes.io/service-name: db}}\naddressType: IPv4\n"
        f"ports:\n- {{name: {name}, port: 5432}}\nendpoints:\n- {{addresses: [192.0.2.7]}}\n"
    )
    return examples.together(
        examples.service("{name: postgres, port: 5432}", name="db", selector=""),
        slice_,
    )


CHECK = Check(
    code="PW-W14",
    title="slices that do not fit the Service's ports",
    severity="error",
    hop="endpoint",
    run=_run,
    cause="Endpoints that are written by hand belong to a Service's port when their port's name and protocol are the "
    "Service port's. With another name the Service has no endpoints, though the slice is there.",
    mend="Use one name in both. A Service port without a name wants a slice port without one.",
    rule="kube-proxy joins on ServicePortName; Services without selectors",
    fails=_example("db"),
    passes=_example("postgres"),
)
