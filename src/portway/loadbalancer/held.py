"""Which Services hold which addresses, on what terms, and what stands against one more."""

from ipaddress import ip_address

from msgspec import Struct

from portway.model import Family, family_of
from portway.model.loadbalancer import BalancedService, ServiceKey, SharingTerms


class _Holding(Struct, frozen=True):
    """What one Service holds."""

    addresses: tuple[str, ...]
    terms: SharingTerms | None
    born: str


class Held:
    """Follows Services one by one; questions cost what stands at one address."""

    def __init__(self) -> None:
        self._of: dict[ServiceKey, _Holding] = {}
        self._at: dict[str, set[ServiceKey]] = {}
        self._numbers: set[tuple[Family, int]] = set()

    def put(self, service: BalancedService) -> None:
        """What its status says it has, on the terms it was granted."""
        self.drop(service.key)
        if service.addresses:
            self._of[service.key] = _Holding(service.addresses, granted_terms(service), service.born)
            for address in service.addresses:
                self._at.setdefault(address, set()).add(service.key)
                self._numbers.add(_numbered(address))

    def drop(self, key: ServiceKey) -> None:
        """It holds nothing."""
        holding = self._of.pop(key, None)
        for address in holding.addresses if holding else ():
            self._at[address].discard(key)
            if not self._at[address]:
                del self._at[address]
                self._numbers.discard(_numbered(address))

    def addresses(self) -> list[str]:
        """All that somebody holds."""
        return list(self._at)

    def at(self, address: str) -> frozenset[ServiceKey]:
        """The Services that hold it."""
        return frozenset(self._at.get(address, ()))

    def is_taken(self, family: Family, number: int) -> bool:
        """Whether somebody holds the address; a search through a large pool asks this often."""
        return (family, number) in self._numbers

    def objection(self, address: str, service: BalancedService, *, keeps: bool = False) -> str:
        """Why this Service may not have the address; empty when it may.

        `keeps`: it has it already, so that only those who are older than it have a say.
        """
        for key in sorted(self._at.get(address, ())):
            holding = self._of[key]
            if key == service.key or (keeps and holding.born > service.born):
                continue
            if why := _against(service.sharing, holding.terms):
                return f'it is in use by Service "{key[0]}/{key[1]}", {why}'
        return ""


def _numbered(address: str) -> tuple[Family, int]:
    return family_of(address), int(ip_address(address))


def granted_terms(service: BalancedService) -> SharingTerms | None:
    """The terms that its addresses were given on: those it has now, unless it was told others."""
    if not service.granted:
        return service.sharing
    key, backend, ports = (*service.granted.split("|"), "", "")[:3]
    return SharingTerms(key, backend, frozenset(filter(None, ports.split(","))))


def keeps_terms(service: BalancedService) -> bool:
    """Whether it shares as it did when its addresses were given: if not, it has to ask anew."""
    return not service.granted or service.granted == str(service.sharing or "")


def _against(asking: SharingTerms | None, holding: SharingTerms | None) -> str:
    if holding is None:
        return "which does not share it (it has no annotation metallb.io/allow-shared-ip)"
    if asking is None:
        return "and this Service has no annotation metallb.io/allow-shared-ip to share it with"
    if asking.key != holding.key:
        return f'whose sharing key is "{holding.key}" and not "{asking.key}"'
    if asking.backend != holding.backend:
        return "and sharing wants externalTrafficPolicy Cluster on both, or Local with the same selector"
    if both := sorted(asking.ports & holding.ports):
        return f"which has port {both[0]} there already"
    return ""
