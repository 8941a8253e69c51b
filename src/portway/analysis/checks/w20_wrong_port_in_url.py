"""PW-W20: an address in a variable, argument or ConfigMap names a Service with a port that it does not have."""

import re
from collections.abc import Iterator

from portway.analysis import examples
from portway.analysis.bundle import Bundle, Item
from portway.analysis.check import Check, Settings
from portway.analysis.finding import Finding, Fix, Where
from portway.analysis.view import ServiceView, inside, resolve, service, word, words

_SUFFIX = r"(?:\.(?P<ns>[a-z0-9-]+)(?:\.svc(?:\.[a-z0-9.-]+?)?)?)?"
_ADDRESS = re.compile(rf"(?:^|[/@\s,\"'=])(?P<name>[a-z][a-z0-9-]{{0,62}}){_SUFFIX}:(?P<port>\d{{1,5}})(?![\d.])")


def _run(bundle: Bundle, settings: Settings) -> Iterator[Finding]:
    for namespace, text, where in _texts(bundle):
        for match in _ADDRESS.finditer(text):
            item = bundle.find("Service", match["ns"] or namespace, match["name"])
            known = service(item) if item else None
            number = int(match["port"])
            if known and known.ports and not known.headless and known.port(number) is None:
                yield _finding(bundle, known, number, where)


def _texts(bundle: Bundle) -> Iterator[tuple[str, str, Where]]:
    for workload in bundle.workloads:
        for path, container in workload.containers():
            for field in ("command", "args"):
                for index, text in enumerate(words(container.get(field))):
                    yield workload.namespace, text, workload.item.where((*path, field, index))
            for place, variable in inside(workload.item, (*path, "env")):
                yield workload.namespace, word(variable.get("value")), workload.item.where((*place, "value"))
    for item in bundle.of("ConfigMap"):
        yield from _config(item)


def _config(item: Item) -> Iterator[tuple[str, str, Where]]:
    data = item.get("data", {})
    for key, value in data.items() if isinstance(data, dict) else ():
        yield item.namespace, word(value), item.where(("data", key))


def _finding(bundle: Bundle, known: ServiceView, number: int, where: Where) -> Finding:
    has = ", ".join(port.text for port in known.ports)
    selected = bundle.selected(known.namespace, known.selector)
    targets = [port for port in known.ports if any(resolve(port, one) == number for one in selected)]
    why = f": {number} is the targetPort of {targets[0].port}" if targets else ""
    return Finding(
        "PW-W20",
        "warning",
        f"{where.object} dials {known.name}:{number}, a port that {known.item.named} does not have{why}",
        where,
        confidence="certain" if targets else "likely",
        hop="client",
        others=(known.item.where("spec.ports"),),
        seen=str(number),
        expected=f"one of: {has}",
        effect="the connection is refused",
        fix=Fix(f"dial {known.name}:{(targets or known.ports)[0].port}"),
    )


def _example(port: int) -> str:
    return examples.together(
        examples.service("{port: 80, targetPort: 8080}", name="api", selector="app: api"),
        examples.workload(name="api"),
        examples.workload("", name="web", container=f'env: [{{name: API_URL, value: "http://api:{port}/v1"}}]'),
    )


CHECK = Check(
    code="PW-W20",
    title="an address names a Service with a port that it does not have",
    severity="warning",
    hop="client",
    run=_run,
    cause="Clients dial a Service's port, not the targetPort of its pods. An address in a variable, an argument or a "
    "ConfigMap has a port that the Service does not know.",
    mend="Write the Service's port.",
    rule="A clusterIP refuses ports that its Service does not define",
    fails=_example(8080),
    passes=_example(80),
)
