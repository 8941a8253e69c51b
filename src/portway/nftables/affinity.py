"""Which ServicePorts have session affinity, what stands for them, and who of them may be remembered for whom."""

from collections.abc import Iterator, Mapping

from portway.forwarding.frontend import Contribution, Frontend, ServiceKey
from portway.model import ServicePortName
from portway.nftables.datatype import backend_bytes, native
from portway.nftables.elements import LOCAL, number_of
from portway.nftables.ruleset import Element
from portway.nftables.structure import digit

Reachable = dict[tuple[str, bytes], set[bytes]]
"""The endpoints that clients of a ServicePort may be sent to, by family's digit and what stands for it."""

_MODULUS = 1 << 32


class Affinity:
    """The ServicePorts of one Program that have session affinity."""

    def __init__(self) -> None:
        self._numbers: dict[ServicePortName, int] = {}
        self._names: dict[int, ServicePortName] = {}
        self._contributions: dict[ServiceKey, Contribution] = {}
        self.lost = True
        """Whether an endpoint may have left since this was last set to False: what clients are remembered to use
        is to be looked through."""

    def number(self, frontend: Frontend) -> int:
        """What stands for the frontend's ServicePort; two never have the same."""
        if not frontend.target.session_affinity_seconds:
            return 0
        name = frontend.target.name
        if name in self._numbers:
            return self._numbers[name]
        number = number_of(name)
        while number in self._names:
            number = (number + 2) % _MODULUS or 2
        self._numbers[name], self._names[number] = number, name
        return number

    def put(self, key: ServiceKey, contribution: Contribution | None) -> None:
        """A Service's contribution changed."""
        old, new = self._contributions.pop(key, None), _affine(contribution)
        if new:
            self._contributions[key] = new
        if old and not self.lost:
            before, after = self._reachable(old), self._reachable(new) if new else {}
            self.lost = any(endpoints - after.get(port, set()) for port, endpoints in before.items())
        if old and not new:
            for frontend in old.frontends:
                self._names.pop(self._numbers.pop(frontend.target.name, 0), None)

    def stale(self, family_digit: str, held: Mapping[bytes, bytes]) -> Iterator[Element]:
        """What is remembered (`client . ServicePort : endpoint`) of endpoints that left or Services that went."""
        reachable: Reachable = {}
        for contribution in self._contributions.values():
            reachable.update(self._reachable(contribution))
        for key, endpoint in held.items():
            if endpoint not in reachable.get((family_digit, key[-4:]), ()):
                yield Element(f"affinity{family_digit}", key, endpoint)

    def _reachable(self, contribution: Contribution) -> Reachable:
        found: Reachable = {}
        for frontend in contribution.frontends:
            target, number = frontend.target, self.number(frontend)
            port = digit(frontend.family), native(number)
            if number and port not in found:
                found[port] = set(map(backend_bytes, target.cluster))
                found[port[0], native(number | LOCAL)] = set(map(backend_bytes, target.local))
        return found


def _affine(contribution: Contribution | None) -> Contribution | None:
    affine = contribution and any(f.target.session_affinity_seconds for f in contribution.frontends)
    return contribution if affine else None
