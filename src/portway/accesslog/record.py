"""One record of the access log: a connection that entered through a Service, or one that was not let through.

Names follow Hubble's flows and ECS where those have one. Times are seconds since the epoch.
"""

from typing import Literal

from msgspec import Struct

End = Literal["fin", "rst", "timeout", "open", "refused", "dropped", "denied", ""]
"""How it ended; `open`: it had not when this was written (an agent that stops, or `--follow` of what is under way)."""
Entry = Literal["clusterIP", "nodePort", "externalIP", "loadBalancerIP", "podIP", "Ingress", "Gateway", ""]
VerdictWord = Literal["FORWARDED", "REFUSED", "DROPPED", "DENIED"]


class Party(Struct, frozen=True, omit_defaults=True):
    """The client or the backend."""

    ip: str
    port: int = 0
    kind: Literal["pod", "node", "external", ""] = ""
    namespace: str = ""
    pod: str = ""
    node: str = ""
    zone: str = ""


class ServiceRef(Struct, frozen=True, omit_defaults=True):
    """The Service and which of its ports."""

    namespace: str
    name: str
    port_name: str = ""
    port: int = 0
    """The Service's port, whatever the client dialled."""


class Door(Struct, frozen=True, omit_defaults=True):
    """What the client dialled."""

    ip: str
    port: int


class PolicyRef(Struct, frozen=True, omit_defaults=True):
    """Who decided, where a policy did."""

    kind: str = ""
    namespace: str = ""
    name: str = ""
    rule: int = -1
    direction: str = ""


class Http(Struct, frozen=True, omit_defaults=True):
    """A request, where a door of layer 7 took it: then the record is of that request, not of its connection."""

    method: str = ""
    host: str = ""
    """Without a port."""
    path: str = ""
    """Without the query, which may hold secrets."""
    status: int = 0
    """Of the answer; 0: the client went away before there was one."""
    route: str = ""
    """What decided, as `portway trace` names it: `Ingress shop/web`, `HTTPRoute shop/web`; empty: nothing matched."""


class Tls(Struct, frozen=True, omit_defaults=True):
    """A connection that a door of layer 7 handed on to a pod of a TLSRoute, or closed: nobody read requests of it."""

    server_name: str = ""
    """That the client asked for (SNI)."""
    route: str = ""
    """What decided, as `portway trace` names it: `TLSRoute shop/db rules[0]`; empty: nothing matched."""


class Record(Struct, frozen=True, omit_defaults=True):
    """One line of the log. What is unknown or does not apply is left out of the JSON."""

    ts_start: float
    node: str
    verdict: VerdictWord
    reason: str
    """`portway trace`'s code: a model.Reason or policy.Reason, or PORT_NOT_LISTENING."""
    proto: str
    client: Party
    entry: Entry = ""
    frontend: Door | None = None
    service: ServiceRef | None = None
    backend: Party | None = None
    ts_end: float = 0.0
    duration_ms: float = 0.0
    traffic_policy: Literal["Cluster", "Local", ""] = ""
    """internalTrafficPolicy where a clusterIP was dialled, else externalTrafficPolicy."""
    affinity: Literal["ClientIP", ""] = ""
    """sessionAffinity of the Service."""
    topology: Literal["local", "same-zone", "remote", ""] = ""
    """Where the backend is, as this node sees it."""
    snat: bool = False
    snat_ip: str = ""
    bytes_in: int = 0
    """From the client."""
    bytes_out: int = 0
    packets_in: int = 0
    packets_out: int = 0
    tcp_end: End = ""
    policy: PolicyRef | None = None
    attempts: int = 1
    """Packets that this record of a refusal stands for: a client repeats an unanswered SYN."""
    flow_id: str = ""
    """Stable for one connection on one node."""
    http: Http | None = None
    tls: Tls | None = None
