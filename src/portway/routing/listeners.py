"""Listeners of a Gateway or ListenerSet by themselves: which can be served, for which routes, by which certificates."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from msgspec import Struct

from portway.routing.certificates import certificate
from portway.routing.documents import GROUP, Doc, Documents, Name, name_of, spec
from portway.routing.references import Nowhere, Wanted, referred
from portway.routing.reports import Condition
from portway.routing.table import Certificate, ClientValidation

KINDS: Mapping[str, tuple[str, ...]] = {
    "HTTP": ("HTTPRoute", "GRPCRoute"),
    "HTTPS": ("HTTPRoute", "GRPCRoute"),
    "TLS": ("TLSRoute",),
    "TCP": ("TCPRoute",),
    "UDP": ("UDPRoute",),
}
"""The kinds of routes that fit a protocol."""
MOST_PORTS = 1000
"""Of a Gateway with its ListenerSets: each is a port of its Service and a socket of its door's engine, and a set that
asks for thousands would take the door from everybody. A Gateway alone may have 64 listeners.
"""
TOO_MANY = "TooManyListeners"


class Judged(Struct, frozen=True):
    """A listener and what is to be said of it before any route is looked at."""

    document: Doc
    """As in spec.listeners."""
    kinds: tuple[str, ...]
    """status.listeners[].supportedKinds."""
    accepted: Condition
    conflicted: Condition
    resolved: Condition
    certificates: tuple[tuple[str, Certificate], ...] = ()
    clients: ClientValidation | None = None
    """What its clients must show."""
    set: Name | None = None
    """The ListenerSet that has it; None: the Gateway itself."""

    @property
    def key(self) -> str:
        """`name`, of a set's `set-namespace/set-name/name`: nobody else's at this Gateway."""
        return "/".join((*(self.set or ()), self.name))

    @property
    def name(self) -> str:
        """spec.listeners[].name: its own document has no other one of this name."""
        return str(self.document["name"])

    @property
    def hostname(self) -> str:
        """Lower case; empty: any."""
        return _hostname(self.document)

    @property
    def serves(self) -> bool:
        """It is accepted and has what it needs."""
        needs = ends_tls(self.document) and not self.certificates
        return self.accepted.status and bool(self.kinds) and not needs


class Held:
    """What listeners have that come before others: ports, and the hostnames at them."""

    def __init__(self) -> None:
        self._families: dict[tuple[int, bool], set[str]] = {}
        self._hostnames: dict[tuple[int, bool], set[str]] = {}

    def add(self, listener: Doc) -> None:
        """It has what it asks for."""
        self._families.setdefault(_transport(listener), set()).add(_family(listener))
        self._hostnames.setdefault(_transport(listener), set()).add(_hostname(listener))

    @property
    def ports(self) -> set[tuple[int, bool]]:
        """All of them; the second says whether it is of UDP."""
        return set(self._families)

    def conflict(self, listener: Doc) -> str:
        """Why a listener comes too late; empty: nobody has what it asks for."""
        if self._families.get(_transport(listener), set()) - {_family(listener)}:
            return "ProtocolConflict"
        return "HostnameConflict" if _hostname(listener) in self._hostnames.get(_transport(listener), ()) else ""


def judged(documents: Documents, owner: Doc, held: Held) -> list[Judged]:
    """All listeners of a Gateway or ListenerSet, in its order; `held`: what those have that come before them."""
    listeners = spec(owner).get("listeners") or []
    late = {listener["name"]: why for listener in listeners if (why := held.conflict(listener))}
    conflicts = late | _conflicts([listener for listener in listeners if listener["name"] not in late])
    beyond = _beyond(listeners, held.ports)
    return [
        _judged(documents, owner, listener, conflicts.get(listener["name"], ""), beyond=listener["name"] in beyond)
        for listener in listeners
    ]


def _beyond(listeners: Sequence[Doc], ports: set[tuple[int, bool]]) -> set[str]:
    """The names of those whose ports are more than a door serves; `ports`: those that it serves already."""
    found = set()
    for listener in listeners:
        if len(ports) < MOST_PORTS:
            ports.add(_transport(listener))
        elif _transport(listener) not in ports:
            found.add(listener["name"])
    return found


def _judged(documents: Documents, owner: Doc, listener: Doc, conflict: str, *, beyond: bool) -> Judged:
    kinds, foreign = _kinds(listener)
    certificates, broken = _certificates(documents, owner, listener)
    return Judged(
        listener,
        kinds,
        _accepted(listener, conflict, beyond=beyond),
        Condition("Conflicted", bool(conflict), conflict or "NoConflicts", _CONFLICTS.get(conflict, "")),
        foreign or broken or Condition("ResolvedRefs", True, "ResolvedRefs"),
        certificates,
        set=name_of(owner) if owner.get("kind") == "ListenerSet" else None,
    )


_CONFLICTS = {
    "ProtocolConflict": "another listener uses the same port with a protocol that cannot share it",
    "HostnameConflict": "another listener uses the same port and hostname",
}


def _accepted(listener: Doc, conflict: str, *, beyond: bool) -> Condition:
    protocol = listener["protocol"]
    if protocol not in KINDS:
        known = ", ".join(KINDS)
        return Condition("Accepted", False, "UnsupportedProtocol", f"protocol {protocol} is none of {known}")
    if conflict:
        return Condition("Accepted", False, conflict, _CONFLICTS[conflict])
    if beyond:
        why = f"its Gateway has {MOST_PORTS} ports, as many as a door serves: name one of those"
        return Condition("Accepted", False, TOO_MANY, why)
    return Condition("Accepted", True, "Accepted")


def ends_tls(listener: Doc) -> bool:
    """Whether clients' TLS ends at a listener of spec.listeners: mode Terminate, which is also what none means."""
    return listener["protocol"] in ("HTTPS", "TLS") and (listener.get("tls") or {}).get("mode") != "Passthrough"


def _transport(listener: Doc) -> tuple[int, bool]:
    return listener["port"], listener["protocol"] == "UDP"


def _conflicts(listeners: Sequence[Doc]) -> dict[str, str]:
    """By name, why a listener cannot be told apart from another: none of those concerned is the winner.

    HTTPS and TLS share a port by SNI; every other mixture of protocols on a port does not work.
    """
    found: dict[str, str] = {}
    by_port: dict[tuple[int, bool], list[Doc]] = {}
    for listener in listeners:
        by_port.setdefault(_transport(listener), []).append(listener)
    for sharing in by_port.values():
        if len(set(map(_family, sharing))) > 1:
            found |= {at["name"]: "ProtocolConflict" for at in sharing}
            continue
        hostnames = Counter(map(_hostname, sharing))
        alike = [at for at in sharing if hostnames[_hostname(at)] > 1]
        found |= {at["name"]: "HostnameConflict" for at in alike}
    return found


def _family(listener: Doc) -> str:
    """Listeners of one may share a port."""
    return "TLS" if listener["protocol"] == "HTTPS" else str(listener["protocol"])


def _hostname(listener: Doc) -> str:
    return (listener.get("hostname") or "").lower()


def _kinds(listener: Doc) -> tuple[tuple[str, ...], Condition | None]:
    """The kinds of routes that it takes; the condition when it names others."""
    fitting = KINDS.get(listener["protocol"], ())
    wanted = (listener.get("allowedRoutes") or {}).get("kinds")
    if not wanted:
        return fitting, None
    named = [(kind.get("group", GROUP), kind["kind"]) for kind in wanted]
    kinds = tuple(kind for group, kind in dict.fromkeys(named) if group == GROUP and kind in fitting)
    if others := [f"{kind}.{group}" for group, kind in named if group != GROUP or kind not in fitting]:
        why = f"protocol {listener['protocol']} has no routes of kind {', '.join(others)}"
        return kinds, Condition("ResolvedRefs", False, "InvalidRouteKinds", why)
    return kinds, None


def _certificates(
    documents: Documents, gateway: Doc, listener: Doc
) -> tuple[tuple[tuple[str, Certificate], ...], Condition | None]:
    """Those that are whole; the condition of the first that is not."""
    if not ends_tls(listener):
        return (), None
    found: list[tuple[str, Certificate]] = []
    problems: list[Condition] = []
    for reference in (listener.get("tls") or {}).get("certificateRefs") or ():
        result = shown_certificate(documents, gateway, reference)
        if isinstance(result, Condition):
            problems.append(result)
        else:
            found.append(result)
    if not found and not problems:
        problems.append(Condition("ResolvedRefs", False, "InvalidCertificateRef", "it has no certificateRefs"))
    return tuple(found), next(iter(problems), None)


_SECRET = Wanted("Secret", "InvalidCertificateRef", "InvalidCertificateRef")


def shown_certificate(documents: Documents, gateway: Doc, reference: Doc) -> tuple[str, Certificate] | Condition:
    """The certificate in the Secret that a reference leads to, with its `namespace/name`; else why there is none."""
    secret = referred(documents, gateway, reference, _SECRET)
    if isinstance(secret, Nowhere):
        return unresolved(secret.reason, secret.message)
    shown, read = "/".join(name_of(secret)), certificate(secret)
    return unresolved(_SECRET.missing, f"Secret {shown}: {read}") if isinstance(read, str) else (shown, read)


def unresolved(reason: str, message: str) -> Condition:
    """That something a listener needs is not there."""
    return Condition("ResolvedRefs", False, reason, message)


def names(listeners: Iterable[Judged]) -> str:
    """For messages."""
    return ", ".join(listener.name for listener in listeners)
