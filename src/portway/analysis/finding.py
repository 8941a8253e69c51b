"""What a check finds, as every output format shows it."""

from typing import Any, Literal

from msgspec import Struct

Severity = Literal["error", "warning", "info"]
"""error: traffic is lost, refused or exposed against what is written. warning: it will be, in a case that happens.
info: style, or something to know.
"""
Confidence = Literal["certain", "likely", "hint"]
"""certain: follows from Kubernetes' rules and what is written. likely: needs a stated assumption. hint: a guess from
names or habits.
"""
HopName = Literal["client", "door", "node", "service", "endpoint", "policy", "pod", "change"]
"""Where on external -> node:nodePort -> Service:port -> pod:targetPort it breaks; `door`: Ingress, Gateway,
LoadBalancer.
"""
SEVERITIES: tuple[Severity, ...] = ("error", "warning", "info")
"""The worst first."""


class Where(Struct, frozen=True, order=True):
    """A field of an object, and where it is written."""

    object: str
    """`Service shop/web`."""
    path: str = ""
    """`spec.ports[0].targetPort`; empty: the object as a whole."""
    file: str = ""
    """Empty: a live object."""
    line: int = 0
    """From 1; 0: not in a file, or in one out of which a tool rendered it, on a line that cannot be told."""
    column: int = 0

    @property
    def text(self) -> str:
        """`web.yaml:12:5`; the object and path where there is no file, and besides it where there is no line."""
        if self.file and self.line:
            return f"{self.file}:{self.line}:{self.column}"
        return f"{self.file} {self.object} {self.path}".strip()


class Edit(Struct, frozen=True):
    """One change of one field, as JSON patch has them."""

    where: Where
    """The field; for `add` the one that is to be."""
    op: Literal["replace", "add", "remove"]
    value: Any = None


class Fix(Struct, frozen=True):
    """How to mend it."""

    text: str
    """In words, with the values: `targetPort: 9080`."""
    edits: tuple[Edit, ...] = ()
    """Empty where only words can be given."""
    certain: bool = False
    """Whether `lint --fix` may apply the edits without asking: the meaning of everything else stays as it is."""


class Finding(Struct, frozen=True):
    """Something a person should know about a bundle."""

    code: str
    """`PW-W01`: stable, documented at docs/checks/PW-W01.md, explained by `portway explain`."""
    severity: Severity
    message: str
    """One line: what is wrong, with the names and numbers of both ends."""
    where: Where
    """The end to look at first."""
    confidence: Confidence = "certain"
    hop: HopName = "service"
    others: tuple[Where, ...] = ()
    """The other ends."""
    seen: str = ""
    """The value found."""
    expected: str = ""
    """What would be right."""
    effect: str = ""
    """What users of the service will notice."""
    fix: Fix | None = None
    assumptions: tuple[str, ...] = ()
    """Codes of what was taken for granted: `ASSUME_DEFAULT_NODEPORT_RANGE`."""
