"""What a pod may send to itself, which only a Service makes it do.

NetworkPolicies do not stop that, ClusterNetworkPolicies may. Where that makes it different from what the pod's replicas
may send it, the pod's address gets a class of its own.
"""

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from portway.model import Direction
from portway.policy.classes import Classes, Signature
from portway.policy.enforced import Views
from portway.policy.kinds import Kind
from portway.policy.peers import Itself, Peers
from portway.policy.portsets import ALL, PortSets
from portway.policy.profiles import DIRECTIONS, ProfilesOf, View
from portway.policy.space import Place
from portway.policy.spans import Spans


class _Patch(NamedTuple):
    """A view with one class's answer replaced by a port set."""

    port_set: int
    view: View


class Selves:
    """The pods of this node for which the way to themselves is judged."""

    def __init__(self, peers: Peers, classes: Classes, port_sets: PortSets) -> None:
        self._peers = peers
        self._classes = classes
        self._port_sets = port_sets
        self.judged: frozenset[str] = frozenset()
        self._alone: dict[str, int] = {}
        """The peer that stands for an address that has a class of its own."""
        self._answers: dict[tuple[Direction, str], Spans] = {}
        self._patches: dict[tuple[Direction, str], _Patch] = {}

    def mark(self, address: str) -> Place:
        """What tells an address from its replicas', if anything."""
        number = self._alone.get(address)
        return frozenset() if number is None else frozenset((number,))

    def find(self, kinds: Mapping[Kind, ProfilesOf]) -> Iterable[str]:
        """Judges all anew; the addresses whose mark came or went."""
        judged: set[str] = set()
        alone: set[str] = set()
        self._answers.clear()
        for kind, profiles in kinds.items():
            if any(profile is not None and profile.judges_itself for profile in profiles):
                self._find(kind, profiles, judged, alone)
        self.judged = frozenset(judged)
        changed = sorted(alone ^ self._alone.keys())
        for address in changed:
            if address in alone:
                self._alone[address] = self._peers.hold(Itself(address))
            else:
                self._peers.release(self._alone.pop(address))
        return changed

    def _find(self, kind: Kind, profiles: ProfilesOf, judged: set[str], alone: set[str]) -> None:
        for address in kind.here:
            place = self._classes.place_of(address) - self.mark(address)
            signature = Signature(kind.terms | place, kind.asked)
            answers = {
                direction: (profile.decide(signature, itself=True), profile.decide(signature))
                for direction, profile in zip(DIRECTIONS, profiles, strict=True)
                if profile is not None
            }
            if any(itself != ALL for itself, _ in answers.values()):
                judged.add(address)
                if any(itself != others for itself, others in answers.values()):
                    alone.add(address)
                    self._answers.update({(d, address): itself for d, (itself, _) in answers.items()})

    def patch(self, views: dict[str, Views]) -> None:
        """Puts into the views of some addresses what they may send to themselves."""
        before, self._patches = self._patches, {}
        for address in self._alone:
            number = self._classes.number_of(address)
            ingress, egress = (
                None
                if view is None
                else self._patch(before.get((direction, address)), (direction, address), view, number)
                for direction, view in views[address].directions()
            )
            views[address] = Views(ingress, egress)
        for patch in before.values():
            self._port_sets.release(patch.port_set)

    def _patch(self, before: _Patch | None, key: tuple[Direction, str], base: View, number: int) -> View:
        """The very view of before, where nothing changed."""
        port_set = self._port_sets.hold(self._answers[key])
        view: View = {**base, number: port_set}
        if before is not None and before.view == view:
            view = before.view
        self._patches[key] = _Patch(port_set, view)
        return view
