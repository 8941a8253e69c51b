"""The constant part: containers, base chains, and the chains that behaviours need.

A **behaviour** is how a frontend treats a connection: which endpoints, whether to masquerade, how many to draw from.
Its chain exists while some frontend behaves so, and serves all that do. README.md draws the packet's way.
"""

from collections.abc import Iterable, Iterator
from typing import Literal

from msgspec import Struct
from msgspec.structs import replace

from portway.model import NODEPORT_UNSET, Family, ProxyConfig, Reason, contains, family_of
from portway.nftables.ruleset import Chain, Container, Hook
from portway.nftables.statement import (
    PORT,
    PROTOCOL,
    Among,
    CameBy,
    DialsRange,
    Dnat,
    Drop,
    Goto,
    HasSocket,
    Identify,
    InSet,
    IsFamily,
    IsLocalAddress,
    IsMarked,
    IsNew,
    IsTcp,
    IsTranslated,
    Key,
    Learn,
    Log,
    Lookup,
    Mark,
    Masquerade,
    Operand,
    Reject,
    Return,
    Rule,
    Statement,
    Unidentify,
    Unmark,
    memory_key,
)

FAMILIES: tuple[Family, ...] = ("IPv4", "IPv6")
NO_ENDPOINTS = "no-endpoints"
NO_LOCAL_ENDPOINT = "no-local-endpoint"
"""Chains for what has no endpoint: refused, or dropped under policy Local."""
_LOOPBACK: dict[Family, str] = {"IPv4": "127.0.0.0/8", "IPv6": "::1/128"}


def digit(family: Family) -> str:
    """What distinguishes the twins of a container or chain: "4" or "6"."""
    return family[-1]


def no_local_endpoint(family: Family) -> str:
    """The chain for what has endpoints on other nodes only, under externalTrafficPolicy Local."""
    return f"{NO_LOCAL_ENDPOINT}{digit(family)}"


def frontend_key(family: Family) -> Key:
    """`daddr . l4proto . dport`: a frontend with an address."""
    return (Operand("daddr", family), PROTOCOL, PORT)


NODE_PORT_KEY: Key = (PROTOCOL, PORT)
SERVICE_PORT: Key = (Operand("priority"),)
"""A number that stands for a ServicePort."""
_SLOT = Operand("slot")


def containers() -> Iterator[Container]:
    """All named sets and maps, of both families."""
    for family in FAMILIES:
        d, key, node = digit(family), frontend_key(family), NODE_PORT_KEY
        source, destination = Operand("saddr", family), Operand("daddr", family)
        backend = (destination, PORT)
        yield Container(f"cluster_ips{d}", (destination,))
        yield Container(f"hairpin{d}", (source, destination))
        yield Container(f"frontends{d}", key, verdicts=True)
        yield Container(f"node_ports{d}", node, verdicts=True)
        yield Container(f"no_endpoints{d}", key, verdicts=True)
        yield Container(f"no_node_port_endpoints{d}", node, verdicts=True)
        yield Container(f"endpoints{d}", (*key, _SLOT), backend)
        yield Container(f"local_endpoints{d}", (*key, _SLOT), backend)
        yield Container(f"node_port_endpoints{d}", (*node, _SLOT), backend)
        yield Container(f"node_port_local_endpoints{d}", (*node, _SLOT), backend)
        for prefix, ports in (("", key), ("node_port_", node)):
            yield Container(f"{prefix}affinity_ports{d}", ports, SERVICE_PORT)
            yield Container(f"{prefix}local_affinity_ports{d}", ports, SERVICE_PORT)
        yield Container(f"remember{d}", SERVICE_PORT, verdicts=True)
        yield Container(f"affinity{d}", memory_key(family), backend, learned=True)
        yield Container(f"guarded_frontends{d}", key, verdicts=True)
        yield Container(f"guarded_no_endpoints{d}", key, verdicts=True)
        yield Container(f"source_ranges{d}", (*key, source), interval=True)


Kind = Literal["cluster-ip", "cluster-ip-local", "external", "external-local", "cluster", "local"]


class Behaviour(Struct, frozen=True):
    """How a frontend treats a connection, apart from which endpoints it has."""

    family: Family
    kind: Kind
    """A clusterIP under either policy; what comes from outside under either policy; and what the latter two go to,
    once it is decided from which endpoints to draw.
    """
    node_port: bool = False
    cluster: int = 0
    """How many endpoints there are to draw from; 0 where `kind` never asks."""
    local: int = 0
    affinity: int = 0
    """Seconds for which a client keeps its endpoint; 0: none."""

    @property
    def chain(self) -> str:
        """Its chain's name, e.g. `node-port-external-local4-10-2`."""
        counts = (self.cluster, self.local) if self.kind == "external-local" else (self._draws_from,)
        prefix = "node-port-" if self.node_port else ""
        suffix = f"-affinity-{self.affinity}" if self.affinity else ""
        return f"{prefix}{self.kind}{digit(self.family)}-{'-'.join(map(str, counts))}{suffix}"

    @property
    def _of_node(self) -> bool:
        """Only the node's own endpoints count."""
        return self.kind in ("local", "cluster-ip-local")

    @property
    def _draws_from(self) -> int:
        return self.local if self._of_node else self.cluster

    @property
    def verdict(self) -> bytes:
        """What a frontend's element says."""
        return f"goto {self.chain}".encode()

    def _draws(self) -> tuple["Behaviour", ...]:
        """What it goes to."""
        if self.kind == "external":
            # A clusterIP's chain may mark what is marked already; each one less spares the kernel a walk of the map.
            return (replace(self, kind="cluster" if self.node_port else "cluster-ip"),)
        if self.kind == "external-local":
            kinds: tuple[Kind, ...] = ("cluster", "local") if self.local else ("cluster",)
            return tuple(replace(self, kind=kind) for kind in kinds)
        return ()

    def chains(self, config: ProxyConfig) -> Iterator[Chain]:
        """Its chain and those that it goes to."""
        if self.affinity:
            learn = Learn(self.family, f"affinity{digit(self.family)}", self.affinity)
            yield Chain(self.remember, ((learn,), (Unidentify(),)), of_behaviour=True)
            yield from _remembering()
        for draw in self._draws():
            yield from draw.chains(config)
        yield Chain(self.chain, self._rules(config), of_behaviour=True)

    def _rules(self, config: ProxyConfig) -> tuple[Rule, ...]:
        draws = tuple(Goto(draw.chain) for draw in self._draws())
        if self.kind == "external":
            return ((Mark(),), draws)
        if self.kind == "external-local":
            cluster, *local = draws
            short_circuit = tuple((pods, cluster) for pods in from_pods(config, self.family))
            node: Rule = (IsLocalAddress(Operand("saddr", self.family)), Mark(), cluster)
            return (*short_circuit, node, *((goto,) for goto in local))
        marking = _marking(config, self.family) if self.kind in ("cluster-ip", "cluster-ip-local") else ()
        dnat = self._dnat()
        return (*marking, *(self._affine(dnat) if self.affinity else ((dnat,),)))

    def _affine(self, draw: Dnat) -> tuple[Rule, ...]:
        recall = Dnat(self.family, memory_key(self.family), f"affinity{digit(self.family)}")
        return ((Identify(self.family, draw.key[:-1], self.ports),), (recall,), (draw,))

    @property
    def ports(self) -> str:
        """The map of what stands for ServicePorts."""
        local = "local_" if self._of_node else ""
        return f"{'node_port_' if self.node_port else ''}{local}affinity_ports{digit(self.family)}"

    @property
    def remember(self) -> str:
        """The chain that remembers for as long as it should."""
        return f"remember{digit(self.family)}-{self.affinity}"

    def _dnat(self) -> Dnat:
        name = ("node_port_" if self.node_port else "") + ("local_" if self._of_node else "") + "endpoints"
        key = NODE_PORT_KEY if self.node_port else frontend_key(self.family)
        return Dnat(self.family, (*key, Operand("slot", modulus=self._draws_from)), f"{name}{digit(self.family)}")


def _marking(config: ProxyConfig, family: Family) -> tuple[Rule, ...]:
    """Connections to a clusterIP that are to come from the node: those of clients that are no pods, or all."""
    if config.masquerade_all:
        return ((Mark(),),)
    elsewhere = _not_from_pods(config, family)
    return ((*elsewhere, Mark()),) if elsewhere else ()


def from_pods(config: ProxyConfig, family: Family) -> tuple[Statement, ...]:
    """Each of these matches packets from pods; none when the local detector cannot tell in this family."""
    detector = config.local_detector
    if detector is None:
        return ()
    if detector.mode == "InterfaceNamePrefix":
        return (CameBy(f"{detector.interface}*"),) if detector.interface else ()
    if detector.mode == "BridgeInterface":
        return (CameBy(detector.interface),) if detector.interface else ()
    return tuple(Among(Operand("saddr", family), (cidr,)) for cidr in _of_family(detector.cidrs, family))


def _not_from_pods(config: ProxyConfig, family: Family) -> tuple[Statement, ...]:
    """Together these match packets that are not from pods; empty when the local detector cannot tell."""
    return tuple(replace(statement, wanted=False) for statement in from_pods(config, family))


def _of_family(addresses: Iterable[str], family: Family) -> tuple[str, ...]:
    """Those of one family, without those that lie inside another (the kernel refuses overlaps)."""
    own = sorted({a for a in addresses if family_of(a) == family})
    return tuple(a for a in own if not any(b != a and "/" in b and contains(b, a.partition("/")[0]) for b in own))


def _accepts_node_ports(config: ProxyConfig, family: Family) -> tuple[Statement, ...]:
    """Matches a destination that serves nodePorts; empty when none does in this family."""
    destination = Operand("daddr", family)
    if config.node_port_match_all:
        return (IsLocalAddress(destination), Among(destination, (_LOOPBACK[family],), wanted=False))
    addresses = _of_family(config.node_port_addresses, family)
    return (Among(destination, addresses),) if addresses else ()


def _services(config: ProxyConfig, family: Family) -> Chain:
    d = digit(family)
    rules: list[Rule] = [(Lookup(frontend_key(family), f"frontends{d}"),)]
    accepted = _accepts_node_ports(config, family)
    if accepted:
        rules.append((*accepted, Lookup(NODE_PORT_KEY, f"node_ports{d}")))
    return Chain(f"services{d}", tuple(rules))


def _unserved(family: Family, service_cidrs: tuple[str, ...]) -> Chain:
    """For packets on their way through the node or out of it."""
    d, destination = digit(family), Operand("daddr", family)
    cidrs = _of_family(service_cidrs, family)
    dropped: tuple[Rule, ...] = ((Among(destination, cidrs), Goto("unallocated")),) if cidrs else ()
    return Chain(
        f"unserved{d}",
        (
            (Lookup(frontend_key(family), f"no_endpoints{d}"),),
            (InSet((destination,), f"cluster_ips{d}"), Goto("undefined-port")),
            *dropped,
        ),
    )


def _unserved_here(config: ProxyConfig, family: Family) -> Chain:
    """For packets to the node itself."""
    d = digit(family)
    accepted = _accepts_node_ports(config, family)
    rules: list[Rule] = [(Lookup(frontend_key(family), f"no_endpoints{d}"),)]
    if accepted:
        rules.append((*accepted, Lookup(NODE_PORT_KEY, f"no_node_port_endpoints{d}")))
        if _logs_unset(config):
            rules.append((*accepted, DialsRange(*config.node_port_range), Goto("unset-node-port")))
    return Chain(f"unserved-here{d}", tuple(rules))


def _logs_unset(config: ProxyConfig) -> bool:
    return bool(config.log_group and config.node_port_range[1])


def _unset_node_port(config: ProxyConfig) -> Iterator[Chain]:
    """For packets to a nodePort that no Service has. The machine's own sockets may be there; else it refuses, whatever
    we do, and we tell.
    """
    if _logs_unset(config):
        yield Chain("unset-node-port", ((HasSocket(), Return()), (Log(NODEPORT_UNSET, config.log_group),)))


def guard(family: Family) -> str:
    """The chain for a frontend that only some sources may use."""
    return f"guard{digit(family)}"


def guard_unserved(family: Family) -> str:
    """The same for one that has no endpoint."""
    return f"guard-unserved{digit(family)}"


def _guards(family: Family) -> Iterator[Chain]:
    d, key = digit(family), frontend_key(family)
    source = InSet((*key, Operand("saddr", family)), f"source_ranges{d}")
    for name, served in ((guard(family), "guarded_frontends"), (guard_unserved(family), "guarded_no_endpoints")):
        yield Chain(name, ((source, Lookup(key, served + d)), (Goto("source-not-allowed"),)))


def _endings(config: ProxyConfig) -> Iterator[Chain]:
    """Where connections end that get no endpoint, each for its reason, which is logged where somebody listens."""
    refusal: tuple[Rule, ...] = ((IsTcp(), Reject(reset=True)), (Reject(),))
    drop: tuple[Rule, ...] = ((Drop(),),)
    for name, reason, rules in (
        (NO_ENDPOINTS, Reason.NO_ENDPOINTS, refusal),
        (NO_LOCAL_ENDPOINT, Reason.NO_LOCAL_ENDPOINT, drop),
        ("undefined-port", Reason.SERVICE_PORT_UNDEFINED, refusal),
        ("unallocated", Reason.CLUSTER_IP_UNALLOCATED, drop),
        ("source-not-allowed", Reason.SOURCE_NOT_ALLOWED, drop),
    ):
        log: tuple[Rule, ...] = ((Log(reason.value, config.log_group),),) if config.log_group else ()
        yield Chain(name, (*log, *rules))


def _elsewhere(config: ProxyConfig, family: Family) -> Chain:
    """Policy Local lets pods and the node itself go to other nodes' endpoints. They come by here if one is what they
    dialled anyway (an externalIP that is its node's own address): the kernel does not call that a translation.
    """
    pods: tuple[Rule, ...] = tuple((pods, Return()) for pods in from_pods(config, family))
    node: Rule = (IsLocalAddress(Operand("saddr", family)), Return())
    return Chain(no_local_endpoint(family), (*pods, node, (Goto(NO_LOCAL_ENDPOINT),)))


def _masquerading() -> tuple[Rule, ...]:
    hairpins: list[Rule] = [
        (IsTranslated(True), InSet((Operand("saddr", f), Operand("daddr", f)), f"hairpin{digit(f)}"), Masquerade())
        for f in FAMILIES
    ]
    return ((IsMarked(), Unmark(), Masquerade()), *hairpins)


def _by_family(name: str) -> Chain:
    """Goes on with the chain of the packet's family."""
    return Chain(name, tuple((IsFamily(family), Goto(f"{name}{digit(family)}")) for family in FAMILIES))


def _remembering() -> Iterator[Chain]:
    """Base chains that are there while some Service has affinity."""
    rules: tuple[Rule, ...] = tuple(
        (IsNew(), IsTranslated(True), IsFamily(f), Lookup(SERVICE_PORT, f"remember{digit(f)}")) for f in FAMILIES
    )
    for hook in ("prerouting", "output"):
        yield Chain(f"affinity-{hook}", rules, Hook("filter", hook, -99))


def _base_chains() -> Iterator[Chain]:
    # One question for a packet of an open connection: whether it is new.
    untouched = (IsNew(), IsTranslated(False))
    # Numbers, because nft knows the name "dstnat" in prerouting only.
    dnat, normal, after = -100, 0, 100
    hooks: tuple[tuple[str, str, str, int, tuple[Rule, ...]], ...] = (
        ("nat-prerouting", "nat", "prerouting", dnat, _by_family("services").rules),
        ("nat-output", "nat", "output", dnat, _by_family("services").rules),
        ("filter-input", "filter", "input", normal, ((*untouched, Goto("unserved-here")),)),
        ("filter-forward", "filter", "forward", normal, ((*untouched, Goto("unserved")),)),
        ("filter-output", "filter", "output", normal, ((*untouched, Goto("unserved")),)),
        ("nat-postrouting", "nat", "postrouting", after, _masquerading()),
    )
    for name, kind, hook, priority, rules in hooks:
        yield Chain(name, rules, Hook(kind, hook, priority))


def standing_chains(config: ProxyConfig, service_cidrs: tuple[str, ...]) -> Iterator[Chain]:
    """The chains that are there whatever Services exist; a chain comes after those that it names."""
    yield from _endings(config)
    yield from _unset_node_port(config)
    for family in FAMILIES:
        yield _elsewhere(config, family)
        yield from _guards(family)
        yield _services(config, family)
        yield _unserved(family, service_cidrs)
        yield _unserved_here(config, family)
    yield _by_family("unserved")
    yield _by_family("unserved-here")
    yield from _base_chains()
