"""NetworkPolicies as checks read them."""

from collections.abc import Iterable, Iterator, Mapping

from msgspec import Struct

from portway.analysis.bundle import Bundle, Item, Workload, strings
from portway.analysis.finding import Where
from portway.analysis.reach import selects
from portway.analysis.view import inside, number, objects, word, words
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
    return _selected(bundle, item.namespace, selector) if isinstance(selector, dict) else ()


def _selected(bundle: Bundle, namespace: str, selector: Doc) -> tuple[Workload, ...]:
    """The workloads of a namespace whose pods a LabelSelector selects, in input order."""
    asked = _asked(selector)
    if not asked:
        found = bundle.workloads_in(namespace)
        return tuple(one for one in found if selects(selector, one.labels)) if selector else found
    lists = (bundle.labelled(namespace, *pair) for pair in asked)
    return _in_order(bundle, (one for found in lists for one in found if selects(selector, one.labels)))


def _in_order(bundle: Bundle, found: Iterable[Workload]) -> tuple[Workload, ...]:
    """Each once, in input order."""
    places = bundle.derived(_places_of)
    return tuple(sorted(dict.fromkeys(found), key=places.__getitem__))


def _places_of(bundle: Bundle) -> Mapping[Workload, int]:
    return {one: place for place, one in enumerate(bundle.workloads)}


def _asked(selector: Doc) -> tuple[tuple[str, str], ...]:
    """Labels of which pods must have one to be selected; none: they need not have any that is known."""
    for pair in strings(selector.get("matchLabels")).items():
        return (pair,)
    for _, expression in objects(selector.get("matchExpressions")):
        if expression.get("operator") == "In":
            return tuple(
                (word(expression.get("key")), value) for value in dict.fromkeys(words(expression.get("values")))
            )
    return ()


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
    return _in_order(bundle, (one for peer in given for one in _peer(bundle, item, peer)))


def _peer(bundle: Bundle, item: Item, peer: Doc) -> Iterator[Workload]:
    pods, namespaces = peer.get("podSelector"), peer.get("namespaceSelector")
    if not isinstance(pods, dict) and not isinstance(namespaces, dict):
        return
    for name in _scope(bundle, namespaces) if isinstance(namespaces, dict) else (item.namespace,):
        yield from _selected(bundle, name, pods if isinstance(pods, dict) else {})


def _scope(bundle: Bundle, selector: Doc) -> list[str]:
    """The namespaces that a selector takes; asked once for all rules that say the same."""
    known = bundle.derived(_scopes)
    text = str(selector)
    if text not in known:
        names = {one.namespace for one in bundle.workloads}
        known[text] = [name for name in sorted(names) if selects(selector, namespace_labels(bundle, name))]
    return known[text]


def _scopes(bundle: Bundle) -> dict[str, list[str]]:
    return {}


def namespace_labels(bundle: Bundle, name: str) -> dict[str, str]:
    """A namespace's labels, the one that the API server sets included."""
    item = bundle.find("Namespace", "", name)
    return {**(item.labels if item else {}), "kubernetes.io/metadata.name": name}


def isolating(bundle: Bundle, workload: Workload, direction: str = "Ingress") -> tuple[Item, ...]:
    """The policies that isolate a workload's pods in a direction, in input order."""
    index = bundle.derived(_by_subject)
    spots = [(workload.namespace,), *((workload.namespace, *label) for label in workload.labels.items())]
    found = {place: item for spot in spots for place, item in index.get(spot, ()) if direction in directions(item)}
    candidates = (found[place] for place in sorted(found))
    return tuple(item for item in candidates if selects(item.get("spec.podSelector", {}), workload.labels))


def _by_subject(bundle: Bundle) -> Mapping[tuple[str, ...], list[tuple[int, Item]]]:
    """Policies, numbered, by their namespace and a label that their pods must have, where they must."""
    found: dict[tuple[str, ...], list[tuple[int, Item]]] = {}
    for place, item in enumerate(bundle.of("NetworkPolicy")):
        selector = item.get("spec.podSelector", {})
        if isinstance(selector, dict):
            for label in _asked(selector) or ((),):
                found.setdefault((item.namespace, *label), []).append((place, item))
    return found


def blocks(rule: Doc, direction: str) -> Iterator[str]:
    """The CIDRs of a rule's ipBlocks."""
    listed = rule.get("from" if direction == "Ingress" else "to")
    for peer in listed if isinstance(listed, list) else ():
        if isinstance(peer, dict):
            cidr = strings(peer.get("ipBlock")).get("cidr")
            if cidr:
                yield cidr
