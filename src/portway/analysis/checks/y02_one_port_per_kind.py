"""PW-Y02: the same kind of thing on different Service ports."""

from collections import defaultdict
from collections.abc import Iterator

from portway.analysis import examples
from portway.analysis.bundle import Bundle
from portway.analysis.check import Check, Settings
from portway.analysis.finding import Finding
from portway.analysis.view import PortView, services


def _run(bundle: Bundle, settings: Settings) -> Iterator[Finding]:
    kinds: dict[str, list[PortView]] = defaultdict(list)
    for service in services(bundle):
        for port in service.ports if not service.headless else ():
            if port.name:
                kinds[port.name].append(port)
    for name, ports in kinds.items():
        counts: dict[int, int] = defaultdict(int)
        for port in ports:
            counts[port.port] += 1
        usual = max(counts, key=lambda number: counts[number])
        if len(counts) > 1 and counts[usual] > 1:
            for port in ports:
                if port.port != usual:
                    yield Finding(
                        "PW-Y02",
                        "info",
                        f'{port.item.named}: "{name}" is {port.port} here, {usual} in {counts[usual]} other Services',
                        port.where("port"),
                        confidence="hint",
                        seen=str(port.port),
                        expected=str(usual),
                        effect="people and policies have to look up each one",
                    )


def _example(port: int) -> str:
    return examples.together(
        examples.service("{name: http, port: 80}", name="a"),
        examples.service("{name: http, port: 80}", name="b"),
        examples.service(f"{{name: http, port: {port}}}", name="c"),
    )


CHECK = Check(
    code="PW-Y02",
    title="one kind of port with different numbers",
    severity="info",
    hop="service",
    run=_run,
    style=True,
    cause="Most Services of this input have one number for this name, and this one another.",
    mend="Use the same front port for the same kind of service; targetPorts may differ.",
    fails=_example(8080),
    passes=_example(80),
)
