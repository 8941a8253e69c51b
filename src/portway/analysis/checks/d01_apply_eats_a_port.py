"""PW-D01: ports that differ in protocol only, which kubectl apply merges into one."""

from collections.abc import Iterator

from portway.analysis import examples
from portway.analysis.bundle import Bundle
from portway.analysis.check import Check, Settings
from portway.analysis.finding import Finding, Fix
from portway.analysis.view import PortView, services


def _run(bundle: Bundle, settings: Settings) -> Iterator[Finding]:
    for service in services(bundle):
        seen: dict[int, PortView] = {}
        for port in service.ports:
            first = seen.setdefault(port.port, port)
            if first.protocol != port.protocol:
                yield Finding(
                    "PW-D01",
                    "info",
                    f"{service.item.named}: {first.text} and {port.text} differ only in protocol, and client-side "
                    "apply merges ports by number",
                    port.where("port"),
                    hop="change",
                    others=(first.where("port"),),
                    seen=str(port.port),
                    effect="a later kubectl apply that changes one of them can drop the other",
                    fix=Fix("kubectl apply --server-side, whose key is port and protocol"),
                )


def _example(port: int) -> str:
    return examples.service(f"{{name: dns, port: 53, protocol: UDP}}\n{{name: dns-tcp, port: {port}}}")


CHECK = Check(
    code="PW-D01",
    title="ports that differ in protocol only",
    severity="info",
    hop="change",
    run=_run,
    cause="kubectl apply (client-side) takes a Service's ports for a list that is keyed by port alone. With TCP and "
    "UDP on one number it may keep one of them and lose the other.",
    mend="Apply server-side, or replace. The finding is no error of the manifest.",
    rule="Service.spec.ports patchMergeKey=port; listMapKey=port,protocol",
    fails=_example(53),
    passes=_example(5353),
)
