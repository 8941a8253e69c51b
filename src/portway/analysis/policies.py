"""NetworkPolicies as checks read them."""

from collections.abc import Iterator

from msgspec import Struct

from portway.analysis.bundle import Bundle, Item, Workload, strings
from portway.analysis.finding import Where
from portway.analysis.reach import selects
from portway.analysis.view import inside, number, word, words
from portway.kubeapi.errors import Doc


class PolicyPort(Struct, frozen=True):
    """`ports[]` of a rule."""

    item: Item
    direction: str
    """Ingress or Egress."""
    rule: tuple[str | int, ...]
    path: tuple[str | int, ...]
    port: int | str
    """0: any port of the protocol."""
    end: int
    """endPort, else `port`."""
    protocol: str

    def where(self) -> Where:
        """The place of its port."""
        return self.item.where((*self.path, "port"))

    def opens(self, wanted: int) -> bool:
        """Whether a number lies in it; names are asked otherwise."""
        return self.port == 0 or (isinstance(self.port, int) and self.port <= wanted <= self.end)


def directions(item: Item) -> tuple[str, ...]:
    """`policyTypes`, with Kubernetes' default: Ingress, and Egress where there are egress rules."""
    given = words(item.get("spec.policyTypes"))
    return given or (("Ingress", "Egress") if item.spec.get("egress") else ("Ingress",))


def subjects(bundle: Bundle, item: Item) -> tuple[Workload, ...]:
    """The workloads whose pods a policy selects."""
    selector = item.get("spec.podSelector", {})
    if not isinstance(selector, dict):
        return ()
    return tuple(one for one in bundle.workloads_in(item.namespace) if selects(selector, one.labels))


def rules(item: Item) -> Iterator[tuple[str, tuple[str | int, ...], Doc]]:
    """Each rule with its direction and path."""
    for direction, field in (("Ingress", "ingress"), ("Egress", "egress")):
        if direction in directions(item):
            for path, rule in inside(item, ("spec", field)):
                yield direction, path, rule


def ports(item: Item) -> Iterator[PolicyPort]:
    """Each port that a policy's rules open."""
    for direction, rule, _ in rules(item):
        for path, port in inside(item, (*rule, "ports")):
            value = port.get("port")
            known = value if isinstance(value, int | str) and not isinstance(value, bool) else 0
            first = known if isinstance(known, int) else 0
            protocol = word(port.get("protocol")) or "TCP"
            yield PolicyPort(item, direction, rule, path, known, number(port.get("endPort")) or first, protocol)


def peers(bundle: Bundle, item: Item, direction: str, rule: Doc) -> tuple[Workload, ...] | None:
    """The workloads that a rule lets in or out; None: anybody."""
    listed = rule.get("from" if direction == "Ingress" else "to")
    given = [one for one in listed if isinstance(one, dict)] if isinstance(listed, list) else []
    if not given:
        return None
    return tuple(one for one in bundle.workloads if any(_is_peer(bundle, item, peer, one) for peer in given))


def _is_peer(bundle: Bundle, item: Item, peer: Doc, workload: Workload) -> bool:
    pod, namespace = peer.get("podSelector"), peer.get("namespaceSelector")
    if isinstance(namespace, dict):
        if not selects(namespace, namespace_labels(bundle, workload.namespace)):
            return False
    elif not isinstance(pod, dict) or workload.namespace != item.namespace:
        return False
    return not isinstance(pod, dict) or selects(pod, workload.labels)


def namespace_labels(bundle: Bundle, name: str) -> dict[str, str]:
    """A namespace's labels, the one that the API server sets included."""
    item = bundle.find("Namespace", "", name)
    return {**(item.labels if item else {}), "kubernetes.io/metadata.name": name}


def isolating(bundle: Bundle, workload: Workload, direction: str = "Ingress") -> tuple[Item, ...]:
    """The policies that isolate a workload's pods in a direction."""
    return tuple(
        item
        for item in bundle.within(workload.namespace, "NetworkPolicy")
        if direction in directions(item)
        and isinstance(selector := item.get("spec.podSelector", {}), dict)
        and selects(selector, workload.labels)
    )


def blocks(rule: Doc, direction: str) -> Iterator[str]:
    """The CIDRs of a rule's ipBlocks."""
    listed = rule.get("from" if direction == "Ingress" else "to")
    for peer in listed if isinstance(listed, list) else ():
        if isinstance(peer, dict):
            cidr = strings(peer.get("ipBlock")).get("cidr")
            if cidr:
                yield cidr
