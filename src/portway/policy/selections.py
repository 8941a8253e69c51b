"""Which selectors take which kinds of pods, kept current from both sides.

A selector that asks for a label's value is found by that label, and kinds are found by the labels that some selector
asked for, so that a change looks only at what may match.
"""

from collections.abc import Collection, Hashable, Iterable, Iterator
from itertools import chain
from typing import Generic, TypeVar

from portway.model import LabelSelector, Requirement
from portway.policy.kinds import Kind
from portway.policy.namespaces import Namespaces, Scope
from portway.policy.portsets import PortName, has_name

_ANYWHERE = ""
_EQUALITY = ("=", "==", "in")
_K = TypeVar("_K")
_V = TypeVar("_V")
_N = TypeVar("_N", bound=Hashable)
"""What terms are called."""


class Term(Generic[_N]):
    """A selector of pods: in a namespace or in namespaces by their labels, perhaps with a port of some name."""

    __slots__ = ("anchor", "kinds", "name", "names", "pods", "scope")

    def __init__(self, name: _N, scope: Scope, pods: LabelSelector, names: Collection[PortName] = ()) -> None:
        self.name = name
        self.scope = scope
        self.pods = pods
        self.names = names
        self.anchor = anchor(pods)
        self.kinds: dict[Kind, None] = {}
        """Those that it takes."""

    @property
    def place(self) -> str:
        """The one namespace that it looks in."""
        return self.scope if isinstance(self.scope, str) else _ANYWHERE


def anchor(selector: LabelSelector) -> Requirement | None:
    """The requirement that fewest values fulfil, of those that ask for values; by it a selector is found."""
    found = [requirement for requirement in selector.requirements if requirement.operator in _EQUALITY]
    return min(found, key=lambda requirement: len(requirement.values), default=None)


class Selections(Generic[_N]):
    """Terms and kinds; `touched` collects the kinds for which the terms that take them changed."""

    def __init__(self, namespaces: Namespaces) -> None:
        self._namespaces = namespaces
        self._terms: dict[_N, Term[_N]] = {}
        self._taking: dict[Kind, set[_N]] = {}
        self._found_by: dict[tuple[str, ...], dict[Term[_N], None]] = {}
        """Terms by namespace (or _ANYWHERE) and, where they have an anchor, its key and value."""
        self._anchors: dict[str, int] = {}
        """How many terms are anchored at each label key."""
        self._by_scope: dict[LabelSelector, dict[Term[_N], None]] = {}
        self._kinds_in: dict[str, dict[Kind, None]] = {}
        self._by_label: dict[str, dict[tuple[str, str], dict[Kind, None]]] = {}
        """Kinds by namespace and value, of the label keys that somebody asked for."""
        self.touched: dict[Kind, None] = {}

    def terms_of(self, kind: Kind) -> Collection[_N]:
        """The names of the terms that take a kind."""
        return self._taking.get(kind, ())

    def kinds_of(self, name: _N) -> Iterable[Kind]:
        """The kinds that a term takes."""
        return self._terms[name].kinds

    def add_kind(self, kind: Kind) -> None:
        """A kind comes."""
        self._kinds_in.setdefault(kind.namespace, {})[kind] = None
        for key, held in self._by_label.items():
            if key in kind.labels:
                held.setdefault((kind.namespace, kind.labels[key]), {})[kind] = None
        for term in self._terms_for(kind):
            if self._takes(term, kind):
                self._join(term, kind)

    def remove_kind(self, kind: Kind) -> None:
        """A kind goes."""
        for name in self._taking.pop(kind, ()):
            del self._terms[name].kinds[kind]
        self.touched.pop(kind, None)
        _discard(self._kinds_in, kind.namespace, kind)
        for key, held in self._by_label.items():
            if key in kind.labels:
                _discard(held, (kind.namespace, kind.labels[key]), kind)

    def add_term(self, term: Term[_N]) -> None:
        """A term comes; its name is new."""
        self._terms[term.name] = term
        for key in _entries(term):
            self._found_by.setdefault(key, {})[term] = None
        if term.anchor is not None:
            self._anchors[term.anchor.key] = self._anchors.get(term.anchor.key, 0) + 1
        if not isinstance(term.scope, str):
            self._namespaces.hold(term.scope)
            self._by_scope.setdefault(term.scope, {})[term] = None
        for kind in self._kinds_for(term):
            if self._takes(term, kind):
                self._join(term, kind)

    def remove_term(self, name: _N) -> None:
        """A term goes."""
        term = self._terms.pop(name)
        for key in _entries(term):
            _discard(self._found_by, key, term)
        if term.anchor is not None:
            self._anchors[term.anchor.key] -= 1
        if not isinstance(term.scope, str):
            _discard(self._by_scope, term.scope, term)
            self._namespaces.release(term.scope)
        for kind in list(term.kinds):
            self._part(term, kind)

    def relabelled(self, namespace: str, flipped: Iterable[LabelSelector]) -> None:
        """A namespace is taken by these selectors now and was not, or the other way round."""
        kinds = self._kinds_in.get(namespace, {})
        for term in [term for selector in flipped for term in self._by_scope.get(selector, ())]:
            for kind in kinds:
                if self._takes(term, kind):
                    self._join(term, kind)
                elif kind in term.kinds:
                    self._part(term, kind)

    def _join(self, term: Term[_N], kind: Kind) -> None:
        term.kinds[kind] = None
        self._taking.setdefault(kind, set()).add(term.name)
        self.touched[kind] = None

    def _part(self, term: Term[_N], kind: Kind) -> None:
        del term.kinds[kind]
        held = self._taking[kind]
        held.discard(term.name)
        if not held:
            del self._taking[kind]
        self.touched[kind] = None

    def _takes(self, term: Term[_N], kind: Kind) -> bool:
        if isinstance(term.scope, str):
            inside = term.scope == kind.namespace
        else:
            inside = self._namespaces.takes(term.scope, kind.namespace)
        if not inside or not term.pods.matches(kind.labels):
            return False
        return not term.names or any(has_name(term.names, port) for port in kind.ports)

    def _terms_for(self, kind: Kind) -> Iterator[Term[_N]]:
        """The terms that may take a kind."""
        places = (kind.namespace, _ANYWHERE)
        for key, value in kind.labels.items():
            if self._anchors.get(key):
                yield from chain(*(self._found_by.get((place, key, value), ()) for place in places))
        yield from chain(*(self._found_by.get((place,), ()) for place in places))

    def _kinds_for(self, term: Term[_N]) -> Iterable[Kind]:
        """The kinds that a term may take."""
        if isinstance(term.scope, str):
            namespaces = [term.scope]
        else:
            namespaces = [name for name in self._kinds_in if self._namespaces.takes(term.scope, name)]
        if term.anchor is None:
            return chain(*(self._kinds_in.get(name, ()) for name in namespaces))
        labelled = self._labelled(term.anchor.key)
        values = dict.fromkeys(term.anchor.values)
        return chain(*(labelled.get((name, value), ()) for name in namespaces for value in values))

    def _labelled(self, key: str) -> dict[tuple[str, str], dict[Kind, None]]:
        held = self._by_label.get(key)
        if held is None:
            held = self._by_label[key] = {}
            for kind in chain(*self._kinds_in.values()):
                if key in kind.labels:
                    held.setdefault((kind.namespace, kind.labels[key]), {})[kind] = None
        return held


def _entries(term: Term[_N]) -> Iterable[tuple[str, ...]]:
    """Where a term is found by the kinds that it may take."""
    if term.anchor is None:
        return [(term.place,)]
    return [(term.place, term.anchor.key, value) for value in dict.fromkeys(term.anchor.values)]


def _discard(held: dict[_K, dict[_V, None]], key: _K, value: _V) -> None:
    group = held[key]
    del group[value]
    if not group:
        del held[key]
