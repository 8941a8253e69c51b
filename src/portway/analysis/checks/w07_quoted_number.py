"""PW-W07: a targetPort that is a number in quotes."""

from collections.abc import Iterator

from portway.analysis import examples
from portway.analysis.bundle import Bundle
from portway.analysis.check import Check, Settings
from portway.analysis.finding import Edit, Finding, Fix
from portway.analysis.view import services


def _run(bundle: Bundle, settings: Settings) -> Iterator[Finding]:
    for service in services(bundle):
        for port in service.ports:
            text = port.target_port
            if isinstance(text, str) and text.isascii() and text.isdigit():
                where = port.where("targetPort")
                yield Finding(
                    "PW-W07",
                    "error",
                    f'{service.item.named}: targetPort "{text}" is a text, not a number: the API server refuses it',
                    where,
                    seen=f'"{text}"',
                    expected=text,
                    effect="the Service is not created",
                    fix=Fix(f"targetPort: {int(text)}", (Edit(where, "replace", int(text)),), certain=True),
                )


CHECK = Check(
    code="PW-W07",
    title="targetPort written as a number in quotes",
    severity="error",
    hop="service",
    run=_run,
    cause="In quotes it is a port's name, and a name must contain a letter.",
    mend="Leave the quotes out.",
    rule="IsValidPortName (k8s.io/apimachinery util/validation): at least one letter",
    fails=examples.service('{port: 80, targetPort: "8080"}'),
    passes=examples.service("{port: 80, targetPort: 8080}"),
)
