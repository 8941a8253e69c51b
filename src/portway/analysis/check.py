"""What a check is. One file each in `checks/`, found there; those of others by the entry point `portway.checks`."""

import re
from collections.abc import Callable, Iterable, Mapping
from fnmatch import fnmatchcase
from typing import Any

from msgspec import Struct

from portway.analysis.bundle import Bundle
from portway.analysis.finding import Finding, HopName, Severity

_TRIVY = re.compile(r"(?:AVD-)?(KSV|KCV)-?(\d{3,4})")


def spelled(code: str) -> str:
    """A code or control as we write it: `ksv024`, `AVD-KSV-0024` and `KSV-0024` are one, Trivy's old and new names."""
    upper = code.upper()
    match = _TRIVY.fullmatch(upper)
    return f"{match[1]}-{int(match[2]):04}" if match else upper


class Settings(Struct, frozen=True, kw_only=True):
    """What a check may be told about the cluster that nobody wrote into the manifests."""

    node_ports: tuple[int, int] = (30000, 32767)
    """`--service-node-port-range`, both ends in it."""
    ephemeral_ports: tuple[int, int] = (32768, 60999)
    """The nodes' net.ipv4.ip_local_port_range."""
    nodes: int | None = None
    """How many nodes; None: unknown."""
    options: Mapping[str, Any] = {}
    """A check's own, by its code."""


class Check(Struct, frozen=True, kw_only=True):
    """A question about a bundle whose answers are findings."""

    code: str
    """`PW-W01`."""
    title: str
    """A line without a full stop: `named targetPort that no selected pod defines`."""
    severity: Severity
    """What its findings have unless they say otherwise."""
    hop: HopName
    run: Callable[[Bundle, Settings], Iterable[Finding]]
    cause: str
    """What goes wrong in a cluster, in a few sentences."""
    mend: str
    """What to do about it."""
    rule: str = ""
    """The Kubernetes rule behind it: a field, a file, a KEP, an issue."""
    fails: str
    """A YAML text in which it finds something, as its page shows and its test runs."""
    passes: str
    """The same, mended: nothing is found."""
    controls: tuple[str, ...] = ()
    """Controls of others that it speaks to: `C-0256`, `KSV-0024`, `CIS-5.2.13`, `NSA`."""
    style: bool = False
    """A matter of taste: off unless asked for by `--style` or by its code."""

    def is_called(self, pattern: str) -> bool:
        """Whether a pattern such as `PW-N*` speaks of it, or the name of a control that it speaks to (`C-0044`)."""
        wanted = spelled(pattern)
        return fnmatchcase(self.code, wanted) or wanted in self.controls
