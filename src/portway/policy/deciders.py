"""Which NetworkPolicies select a pod, found by the labels that they ask for instead of by asking each of them."""

from collections.abc import Iterable, Iterator

from portway.model import LabelSelector, NetworkPolicy, Pod
from portway.policy.selections import anchor

Entry = tuple[str, ...]
"""Where a selector is found: its namespace ("" for any), and perhaps a label's key and value."""


class Deciders:
    """The policies of a cluster, indexed once for many pods. Pods alike are answered once."""

    def __init__(self, policies: Iterable[NetworkPolicy]) -> None:
        self._found_by: dict[Entry, list[NetworkPolicy]] = {}
        self._answers: dict[tuple[str, frozenset[tuple[str, str]]], tuple[NetworkPolicy, ...]] = {}
        for policy in policies:
            for entry in entries(policy.namespace, policy.pods):
                self._found_by.setdefault(entry, []).append(policy)

    def of(self, pod: Pod) -> tuple[NetworkPolicy, ...]:
        """Those that select it, in whatever direction they decide."""
        kind = pod.namespace, frozenset(pod.labels.items())
        if kind not in self._answers:
            candidates = (one for entry in places(pod.namespace, pod) for one in self._found_by.get(entry, ()))
            self._answers[kind] = tuple(one for one in candidates if one.pods.matches(pod.labels))
        return self._answers[kind]


def entries(namespace: str, selector: LabelSelector) -> list[Entry]:
    """Where a selector of pods in that namespace ("" for any) is entered: pods that it takes have one of them."""
    asked = anchor(selector)
    return [(namespace, asked.key, value) for value in dict.fromkeys(asked.values)] if asked else [(namespace,)]


def places(namespace: str, pod: Pod) -> Iterator[Entry]:
    """Under which entries of a namespace ("" for any) to look for selectors that may take a pod."""
    yield (namespace,)
    yield from ((namespace, *label) for label in pod.labels.items())
