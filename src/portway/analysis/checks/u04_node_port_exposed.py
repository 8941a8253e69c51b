"""PW-U04: type NodePort where a load balancer or an Ingress would do."""

from collections.abc import Iterator

from portway.analysis import examples
from portway.analysis.bundle import Bundle
from portway.analysis.check import Check, Settings
from portway.analysis.finding import Finding, Fix
from portway.analysis.reach import doors_of
from portway.analysis.view import ServiceView, services

_WEB = {80, 443, 8080, 8443, 3000, 5000, 8000}


def _run(bundle: Bundle, settings: Settings) -> Iterator[Finding]:
    doors = doors_of(bundle)
    for service in services(bundle):
        if service.type != "NodePort":
            continue
        door = doors.get(service.item.key)
        if door:
            text = f"{door[0].item.named} leads to {service.item.named} already: its nodePorts are a second way in"
            fix = "type: ClusterIP"
        else:
            text = f"{service.item.named} opens a port on every node"
            fix = "an Ingress or HTTPRoute" if _is_web(service) else "type: LoadBalancer"
        yield Finding(
            "PW-U04",
            "info",
            text,
            service.item.where("spec.type"),
            hop="node",
            others=(door[0].where(),) if door else (),
            seen="NodePort",
            expected=fix,
            effect="whoever reaches any node reaches it, by a number that nobody can remember, around host firewalls",
            fix=Fix(fix),
        )


def _is_web(service: ServiceView) -> bool:
    return any(port.port in _WEB or port.name.startswith("http") for port in service.ports)


CHECK = Check(
    code="PW-U04",
    title="type NodePort where a load balancer or an Ingress would do",
    severity="info",
    hop="node",
    run=_run,
    style=True,
    cause="A nodePort is open on every node, is translated before the host's firewall sees it, and has a number from a "
    "range. A LoadBalancer, Ingress or Gateway has an address or a name of its own.",
    mend="Put a door in front and let the Service be ClusterIP.",
    controls=("C-0256",),
    fails=examples.service("{port: 80}", more="type: NodePort"),
    passes=examples.service("{port: 80}"),
)
