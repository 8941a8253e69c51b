"""PW-W09: two Services lead to the same pods and targetPort by different ports."""

from collections import defaultdict
from collections.abc import Iterator

from portway.analysis import examples
from portway.analysis.bundle import Bundle
from portway.analysis.check import Check, Settings
from portway.analysis.finding import Finding
from portway.analysis.view import PortView, resolve, services


def _run(bundle: Bundle, settings: Settings) -> Iterator[Finding]:
    ways: dict[tuple[str, str, int | None, str], list[PortView]] = defaultdict(list)
    for service in services(bundle):
        for workload in bundle.selected(service.namespace, service.selector):
            for port in service.ports if not service.headless else ():
                key = (workload.namespace, workload.item.named, resolve(port, workload), port.protocol)
                ways[key].append(port)
    for (_, named, number, protocol), ports in ways.items():
        if number is not None and len({port.port for port in ports}) > 1 and len({p.item.name for p in ports}) > 1:
            listed = ", ".join(f"{port.item.name}:{port.port}" for port in ports)
            yield Finding(
                "PW-W09",
                "info",
                f"{number}/{protocol} of {named} is reached by different ports: {listed}",
                ports[-1].where("port"),
                others=tuple(port.where("port") for port in ports[:-1]),
                seen=listed,
                expected="one port for one purpose, unless both are meant",
            )


def _example(port: int) -> str:
    return examples.together(
        examples.service("{port: 80, targetPort: 8080}"),
        examples.service(f"{{port: {port}, targetPort: 8080}}", name="shop-public"),
        examples.workload(),
    )


CHECK = Check(
    code="PW-W09",
    title="two Services lead to the same targetPort by different ports",
    severity="info",
    hop="service",
    run=_run,
    cause="Clients of one Service that are pointed to the other fail, because the port is another. Often one of the "
    "two was changed and the other forgotten.",
    mend="Use the same port in both, or keep one.",
    fails=_example(8080),
    passes=_example(80),
)
