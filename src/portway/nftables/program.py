"""ForwardingTable → Ruleset, once as a whole and then change by change.

A **Program** remembers what it compiled. A change of one Service costs what differs in that Service's elements,
whatever else there is. Two Services may claim one frontend (the API server forbids it, real clusters manage it
nevertheless): the first by (namespace, name) has it, the other stays listed and gets it when the first one goes.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial

from portway.forwarding.frontend import Contribution, Frontend, ServiceKey
from portway.forwarding.table import ForwardingTable
from portway.model import Backend, ProxyConfig
from portway.nftables.affinity import Affinity
from portway.nftables.datatype import backend_bytes
from portway.nftables.elements import (
    EMPTY,
    Column,
    Compiled,
    cluster_ip,
    columns_of,
    compile_frontend,
    differences,
    hairpin,
)
from portway.nftables.made import Elements, Made
from portway.nftables.ruleset import Chain, Element, Ruleset, Transaction
from portway.nftables.structure import Behaviour, containers, standing_chains
from portway.nftables.transaction import missing

SPARES = 64
"""Behaviours that nobody needs any more but whose chains stay, the latest ones: see README.md, "Spare chains"."""

Claim = tuple[str, str, str, int]
"""Family, address ("" for a nodePort), protocol, port."""


def _claims(contribution: Contribution | None) -> dict[Claim, Frontend]:
    """What a Service claims; of two frontends alike the first counts."""
    claimed: dict[Claim, Frontend] = {}
    for f in contribution.frontends if contribution else ():
        claimed.setdefault((f.family, f.address, f.protocol, f.port), f)
    return claimed


class _Draft:
    """What one change does to the elements, gathered before it becomes a transaction."""

    def __init__(self, node_name: str, columns: bool = True) -> None:
        self._node_name = node_name
        self._keeps_columns = columns
        self.singles = _Difference()
        self.columns = _Difference()
        self.in_use: Counter[str] = Counter()
        """How many columns each container has more than before."""
        self.shared: Counter[Element] = Counter()
        self.behaviours: Counter[Behaviour] = Counter()

    def replace(self, old: Compiled, new: Compiled) -> None:
        """One frontend's elements change from `old` to `new`."""
        for (container, key), value in old.singles.items():
            self.singles.goes(container, key, value)
        for (container, key), value in new.singles.items():
            self.singles.comes(container, key, value)
        if old.behaviour != new.behaviour:
            for behaviour, step in ((new.behaviour, 1), (old.behaviour, -1)):
                if behaviour:
                    self.behaviours[behaviour] += step
        self.share(new.shared, 1)
        self.share(old.shared, -1)
        before = {(c.container, c.prefix): c for c in old.columns}
        for now in new.columns:
            was = before.pop((now.container, now.prefix), None)
            if was is None:
                self._whole(self.columns.comes, now, 1)
            else:
                self._edited(was, now)
        for was in before.values():
            self._whole(self.columns.goes, was, -1)

    def _whole(self, note: Callable[[str, bytes, bytes], None], column: Column, step: int) -> None:
        self.in_use[column.container] += step
        if self._keeps_columns:
            for key, value in column.entries():
                note(column.container, key, value)
        self._share(column.backends, step)

    def _edited(self, was: Column, now: Column) -> None:
        for slot, old_backend, new_backend in differences(was, now):
            if old_backend:
                self.columns.goes(now.container, was.key(slot), backend_bytes(old_backend))
                self._share((old_backend,), -1)
            if new_backend:
                self.columns.comes(now.container, now.key(slot), backend_bytes(new_backend))
                self._share((new_backend,), 1)

    def _share(self, backends: Iterable[Backend], step: int) -> None:
        self.share([hairpin(b) for b in backends if b.node_name == self._node_name], step)

    def share(self, elements: Iterable[Element], step: int) -> None:
        """One more (1) or less (-1) who needs these."""
        for element in elements:
            self.shared[element] += step


class _Difference:
    """Elements before and after, by container, by key."""

    def __init__(self) -> None:
        self.was: dict[str, dict[bytes, bytes]] = {}
        self.now: dict[str, dict[bytes, bytes]] = {}

    def goes(self, container: str, key: bytes, value: bytes) -> None:
        """An element that was there; or one that came in this very change, when a frontend changes hands twice."""
        if self.now.get(container, {}).pop(key, None) is None:
            self.was.setdefault(container, {})[key] = value

    def comes(self, container: str, key: bytes, value: bytes) -> None:
        """An element that will be there, unless it goes again."""
        self.now.setdefault(container, {})[key] = value

    def deleted(self) -> Iterator[Element]:
        """Elements that go, also those that come back with another value."""
        return _beyond(self.was, self.now)

    def added(self) -> Iterator[Element]:
        """Elements that come, also those that had another value."""
        return _beyond(self.now, self.was)


def _beyond(
    some: Mapping[str, Mapping[bytes, bytes]], others: Mapping[str, Mapping[bytes, bytes]]
) -> Iterator[Element]:
    return (e for name, held in some.items() for e in missing(name, held, others.get(name, {})))


class Program:
    """A Ruleset that follows a ForwardingTable.

    The chains of up to `spares` behaviours outlast their use: numbers of endpoints go up and down and come back.
    """

    def __init__(self, config: ProxyConfig, service_cidrs: tuple[str, ...] = (), spares: int = SPARES) -> None:
        self.config = config
        self.affinity = Affinity()
        self._spares = spares
        self._service_cidrs = service_cidrs
        self._contributions: dict[ServiceKey, Contribution] = {}
        self._claimants: dict[Claim, tuple[ServiceKey, ...]] = {}
        self._shared: Counter[Element] = Counter()
        self._behaviours: Counter[Behaviour] = Counter()
        self._spare: dict[Behaviour, None] = {}
        self._chain_users: Counter[str] = Counter()
        self._chains = {chain.name: chain for chain in standing_chains(config, service_cidrs)}
        self._elements: dict[str, dict[bytes, bytes]] = {c.name: {} for c in containers()}
        """Those that are not in columns: columns are made of contributions when they are asked for."""
        self._columns: Counter[str] = Counter()

    @property
    def ruleset(self) -> Ruleset:
        """What the kernel should hold now; a view that later updates change."""
        return Ruleset({c.name: c for c in containers()}, self._chains, Elements(self._elements, self._entries))

    @property
    def spare_chains(self) -> frozenset[str]:
        """Chains of the ruleset that no frontend leads to: `compile` would not make them."""
        used = {chain.name for behaviour in self._behaviours for chain in behaviour.chains(self.config)}
        kept = {chain.name for behaviour in self._spare for chain in behaviour.chains(self.config)}
        return frozenset(kept - used)

    @property
    def contested(self) -> Mapping[Claim, tuple[ServiceKey, ...]]:
        """Frontends that several Services claim; the first of each has it."""
        return {claim: keys for claim, keys in self._claimants.items() if len(keys) > 1}

    def update(self, changes: Mapping[ServiceKey, Contribution | None]) -> Transaction:
        """Take in Services' new contributions (None: it has none any more); how the kernel must change."""
        draft = self._take(changes, _Draft(self.config.node_name))
        gone, come = self._commit(draft)
        set_chains, delete_chains = self._behave(draft.behaviours)
        return Transaction(
            set_chains=set_chains,
            delete=(*draft.columns.deleted(), *gone),
            add=(*draft.columns.added(), *come),
            delete_chains=delete_chains,
        )

    def load(self, changes: Mapping[ServiceKey, Contribution | None]) -> None:
        """The same where nobody asks for the transaction, because `ruleset` will be compared with the kernel."""
        draft = self._take(changes, _Draft(self.config.node_name, columns=False))
        self._commit(draft)
        self._behave(draft.behaviours)

    def _take(self, changes: Mapping[ServiceKey, Contribution | None], draft: _Draft) -> _Draft:
        for key in sorted(changes):
            self._replace(key, changes[key], draft)
        return draft

    def _replace(self, key: ServiceKey, new: Contribution | None, draft: _Draft) -> None:
        old = self._contributions.get(key)
        before, after = _claims(old), _claims(new)
        for claim in before.keys() | after.keys():
            self._contend(claim, key, before.get(claim), after.get(claim), draft)
        self.affinity.put(key, new)
        draft.share(map(cluster_ip, old.cluster_ips if old else ()), -1)
        draft.share(map(cluster_ip, new.cluster_ips if new else ()), 1)
        if new is None:
            self._contributions.pop(key, None)
        else:
            self._contributions[key] = new

    def _contend(
        self, claim: Claim, key: ServiceKey, old: Frontend | None, new: Frontend | None, draft: _Draft
    ) -> None:
        """One claim of one Service changes: whoever had the frontend loses it to whoever has it then."""
        if old == new:
            return
        claimants = self._claimants.get(claim, ())
        if not claimants:
            self._claimants[claim] = (key,)
            draft.replace(EMPTY, self._compiled(new))
            return
        rivals = tuple(k for k in claimants if k != key)
        then = tuple(sorted((*rivals, key))) if new else rivals
        had = self._frontend(claim, claimants, {key: old})
        has = self._frontend(claim, then, {key: new})
        if then:
            self._claimants[claim] = then
        else:
            self._claimants.pop(claim, None)
        if had is not has:
            draft.replace(self._compiled(had), self._compiled(has))

    def _compiled(self, frontend: Frontend | None) -> Compiled:
        return compile_frontend(frontend, self.affinity.number(frontend)) if frontend else EMPTY

    def _frontend(
        self, claim: Claim, claimants: tuple[ServiceKey, ...], known: Mapping[ServiceKey, Frontend | None]
    ) -> Frontend | None:
        if not claimants:
            return None
        first = claimants[0]
        return known[first] if first in known else _claims(self._contributions[first])[claim]

    def _entries(self, container: str) -> Mapping[bytes, bytes]:
        return Made(partial(self._made, container)) if self._columns[container] else self._elements[container]

    def _made(self, container: str) -> Iterator[Column]:
        """All columns in one container, made one after the other."""
        frontends = (self._frontend(claim, keys, {}) for claim, keys in self._claimants.items())
        columns = (column for frontend in frontends if frontend for column in columns_of(frontend))
        return (column for column in columns if column.container == container)

    def _commit(self, draft: _Draft) -> tuple[tuple[Element, ...], tuple[Element, ...]]:
        """Take in what is not columns: (elements that go, elements that come)."""
        self._columns.update(draft.in_use)
        gone, come = self._share(draft.shared)
        deleted, added = (*draft.singles.deleted(), *gone), (*draft.singles.added(), *come)
        for container, key, _ in deleted:
            del self._elements[container][key]
        for container, key, value in added:
            self._elements[container][key] = value
        return deleted, added

    def _share(self, steps: Counter[Element]) -> tuple[list[Element], list[Element]]:
        """Elements that several Services have in common: (gone with their last, come with their first)."""
        gone: list[Element] = []
        come: list[Element] = []
        for element, step in steps.items():
            before, after = self._shared[element], self._shared[element] + step
            self._shared[element] = after
            if not after:
                del self._shared[element]
            if bool(before) != bool(after):
                (come if after else gone).append(element)
        return gone, come

    def _behave(self, steps: Counter[Behaviour]) -> tuple[tuple[Chain, ...], tuple[str, ...]]:
        """Chains for behaviours that are new; names of those that go because too many were spare."""
        fresh: list[Chain] = []
        stale: list[str] = []
        for behaviour, step in steps.items():
            before, after = self._behaviours[behaviour], self._behaviours[behaviour] + step
            self._behaviours[behaviour] = after
            if not after:
                del self._behaviours[behaviour]
            if after and not before and not self._reuse(behaviour):
                fresh.extend(self._chains_of(behaviour, 1))
            if before and not after:
                self._spare[behaviour] = None
        while len(self._spare) > self._spares:
            oldest = next(iter(self._spare))
            del self._spare[oldest]
            stale.extend(chain.name for chain in reversed(list(self._chains_of(oldest, -1))))
        self._chains.update((chain.name, chain) for chain in fresh)
        for name in stale:
            del self._chains[name], self._chain_users[name]
        return tuple(fresh), tuple(stale)

    def _reuse(self, behaviour: Behaviour) -> bool:
        """Whether its chains are still there."""
        return self._spare.pop(behaviour, behaviour) is None

    def _chains_of(self, behaviour: Behaviour, step: int) -> Iterator[Chain]:
        """Its chains that come (1) because no other behaviour has them, or go (-1) because none has them any more."""
        for chain in behaviour.chains(self.config):
            self._chain_users[chain.name] += step
            if self._chain_users[chain.name] == max(step, 0):
                yield chain


def program(table: ForwardingTable) -> Program:
    """A Program that has compiled the table."""
    made = Program(table.config, table.service_cidrs)
    made.load(table.contributions)
    return made


def compile(table: ForwardingTable) -> Ruleset:
    """The whole Ruleset of one table."""
    live = program(table).ruleset
    return Ruleset(live.containers, live.chains, {name: dict(some) for name, some in live.elements.items()})
