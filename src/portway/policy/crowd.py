"""Sets of pods by what selectors and addresses say of them: many pods asked about at once.

A set is a whole number: bit n stands for the n-th pod. Joining and cutting such sets costs a word for 64 pods, and each
selector is asked once, by the labels it names, whoever mentions it.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable, Sequence
from itertools import chain
from typing import TypeVar

from portway.model import IpBlock, LabelSelector, Pod, PolicySnapshot, Requirement, family_of
from portway.policy.ends import namespace_labels
from portway.policy.space import block_spans, point

_ASKS_FOR_VALUES = ("=", "==", "in")
_K = TypeVar("_K")
Scope = str | LabelSelector | None
"""One namespace, namespaces by their labels, or all."""


class Crowd:
    """Some pods of a snapshot, in their order; all have policies (`Pod.has_policies`)."""

    def __init__(self, snapshot: PolicySnapshot, pods: Sequence[Pod]) -> None:
        self._snapshot = snapshot
        self.pods = tuple(pods)
        self.everybody = (1 << len(self.pods)) - 1
        self._numbers = {(pod.namespace, pod.name): number for number, pod in enumerate(self.pods)}
        self._in_namespace = _grouped((pod.namespace, n) for n, pod in enumerate(self.pods))
        self._on_node = _grouped((pod.node_name, n) for n, pod in enumerate(self.pods))
        self._labelled: dict[str, dict[str, list[int]]] = {}
        for number, pod in enumerate(self.pods):
            for key, value in pod.labels.items():
                self._labelled.setdefault(key, {}).setdefault(value, []).append(number)
        firsts = [(point(address), n) for n, pod in enumerate(self.pods) for address in _firsts(pod)]
        self._points = sorted(firsts)
        self._known: dict[object, int] = {}

    def itself(self, pod: Pod) -> int:
        """The pod alone; nobody, when it is not one of these."""
        number = self._numbers.get((pod.namespace, pod.name))
        return 0 if number is None else 1 << number

    def selected(self, scope: Scope, pods: LabelSelector | None) -> int:
        """Those in the scope that the selector (None: any) takes."""
        return self._once((scope, pods), lambda: self._scope(scope) & self._taken(pods))

    def inside(self, block: IpBlock) -> int:
        """Those of which the first address of the block's family lies in it."""
        return self._once(block, lambda: self._bits(self._within(block)))

    def at(self, addresses: Iterable[str]) -> int:
        """Those with these as the first of a family."""
        return self._bits(n for address in addresses for n in self._between(point(address), point(address)))

    def of_family(self, address: str) -> int:
        """Those that have an address of the same family."""
        return self.inside(IpBlock("::/0" if family_of(address) == "IPv6" else "0.0.0.0/0"))

    def on_node_of(self, address: str) -> int:
        """Those on a node that has the address."""
        nodes = (name for name, node in self._snapshot.nodes.items() if address in node.addresses)
        return self._once(
            ("node", address), lambda: self._bits(n for name in nodes for n in self._on_node.get(name, ()))
        )

    def _once(self, question: object, answer: Callable[[], int]) -> int:
        if question not in self._known:
            self._known[question] = answer()
        return self._known[question]

    def _scope(self, scope: Scope) -> int:
        if scope is None:
            return self.everybody
        if isinstance(scope, str):
            return self._once(("namespace", scope), lambda: self._bits(self._in_namespace.get(scope, ())))
        return self._once(("namespaces", scope), lambda: self._bits(self._in_namespaces(scope)))

    def _in_namespaces(self, selector: LabelSelector) -> Iterable[int]:
        named = ((namespace_labels(self._snapshot, name), found) for name, found in self._in_namespace.items())
        return chain.from_iterable(found for labels, found in named if selector.matches(labels))

    def _taken(self, selector: LabelSelector | None) -> int:
        if selector is None or selector.empty:
            return self.everybody
        found = 0 if selector.nothing else self.everybody
        for requirement in selector.requirements:
            found &= self._once(requirement, lambda asked=requirement: self._fulfilling(asked))  # type: ignore[misc]
        return found

    def _fulfilling(self, asked: Requirement) -> int:
        values = self._labelled.get(asked.key, {})
        if asked.operator in _ASKS_FOR_VALUES:
            return self._bits(n for value in dict.fromkeys(asked.values) for n in values.get(value, ()))
        found = self._bits(n for value, held in values.items() if asked.matches({asked.key: value}) for n in held)
        without = self.everybody & ~self._bits(chain.from_iterable(values.values()))
        return found | (without if asked.matches({}) else 0)

    def _within(self, block: IpBlock) -> Iterable[int]:
        return chain.from_iterable(self._between(first, last) for first, last in block_spans(block))

    def _between(self, first: int, last: int) -> Iterable[int]:
        begin, end = bisect_left(self._points, (first, 0)), bisect_right(self._points, (last, len(self.pods)))
        return (number for _, number in self._points[begin:end])

    def _bits(self, numbers: Iterable[int]) -> int:
        found = bytearray(len(self.pods) // 8 + 1)
        for number in numbers:
            found[number >> 3] |= 1 << (number & 7)
        return int.from_bytes(found, "little")


def _grouped(pairs: Iterable[tuple[_K, int]]) -> dict[_K, list[int]]:
    found: dict[_K, list[int]] = {}
    for key, number in pairs:
        found.setdefault(key, []).append(number)
    return found


def _firsts(pod: Pod) -> Iterable[str]:
    """The first address of each family: what connections come from."""
    return {family_of(address): address for address in reversed(pod.addresses)}.values()
