"""A Service's question for addresses → an Allocation, or a Refusal that says why in a user's words.

Source of the rules: MetalLB 0.15 internal/allocator and controller/service.go. All addresses of one Service come from
one pool. Pools whose serviceAllocation names the Service are asked first, by priority (0 last), then pools for all,
then the fleet's own; by name among equals. What is held and still fits stays.
"""

from collections.abc import Iterable, Mapping, Sequence

from msgspec import Struct

from portway.loadbalancer.held import Held, keeps_terms
from portway.model import Family, family_of
from portway.model.loadbalancer import AddressPool, BalancedService, written
from portway.model.selector import Labels

CLASS = "portway.dev/load-balancer"
"""The loadBalancerClass that is ours besides none at all."""


class Allocation(Struct, frozen=True):
    """`addresses` in the order of the Service's families, all of `pool`."""

    addresses: tuple[str, ...]
    pool: str
    note: str = ""
    """What a PreferDualStack Service does without."""


class Refusal(Struct, frozen=True):
    """`code`: for machines, one of the trace's codes. `message`: what to tell the user."""

    code: str
    message: str


Answer = Allocation | Refusal


def is_ours(service: BalancedService) -> bool:
    """Whether we are to balance it: another class is another controller's."""
    return service.load_balancer_class in ("", CLASS)


def allocate(
    service: BalancedService, pools: Sequence[AddressPool], held: Held, namespaces: Mapping[str, Labels]
) -> Answer:
    """The addresses that it has or may have now. `namespaces`: their labels, by name."""
    if not is_ours(service):
        mine = f'leave it out or set it to "{CLASS}" for an address from here'
        return Refusal("LB_CLASS_FOREIGN", f'loadBalancerClass "{service.load_balancer_class}" is not ours; {mine}')
    if service.request_fault:
        return Refusal("LB_REQUEST_INVALID", service.request_fault)
    if not pools:
        return Refusal("LB_NO_POOL", "there is no IPAddressPool to take an address from")
    kept = _kept(service, pools, held)
    if kept is not None and (len(kept.addresses) == len(service.families) or _enough(service, kept.addresses)):
        return _completed(service, kept, pools, held)
    if service.requested:
        return _requested(service, pools, held, namespaces.get(service.namespace, {}))
    return _from_some_pool(service, pools, held, namespaces.get(service.namespace, {}))


def _enough(service: BalancedService, addresses: Sequence[str]) -> bool:
    """Whether it can do with these: one of each family, or of one when it only prefers both."""
    have = {family_of(address) for address in addresses}
    if service.family_policy == "PreferDualStack":
        return bool(have)
    return have == set(service.families)


def _kept(service: BalancedService, pools: Sequence[AddressPool], held: Held) -> Allocation | None:
    """What it has, as far as it may keep it."""
    pool = next((p for p in pools if service.addresses and all(map(p.usable, service.addresses))), None)
    if pool is None or (service.requested_pool and service.requested_pool != pool.name):
        return None
    if service.requested and not set(service.requested) <= set(service.addresses):
        return None
    keeps = keeps_terms(service)
    mine = tuple(
        address
        for family in service.families
        for address in service.addresses
        if family_of(address) == family and (not service.requested or address in service.requested)
    )
    if not mine or any(held.objection(address, service, keeps=keeps) for address in mine):
        return None
    return Allocation(mine, pool.name)


def _completed(service: BalancedService, kept: Allocation, pools: Sequence[AddressPool], held: Held) -> Allocation:
    """With the address of the other family, once there is one for who prefers both."""
    pool = next(pool for pool in pools if pool.name == kept.pool)
    if service.requested or len(kept.addresses) == len(service.families):
        return kept
    return _from_pool(service, pool, held, kept.addresses) or kept


def _requested(service: BalancedService, pools: Sequence[AddressPool], held: Held, namespace: Labels) -> Answer:
    wanted = {family_of(address): address for address in service.requested}
    if not set(wanted) <= set(service.families) or not _enough(service, service.requested):
        asked, has = ", ".join(service.requested), "/".join(service.families)
        return Refusal("LB_REQUEST_FAMILY", f"asks for {asked}, but its IP families are {has}; ask for one of each")
    addresses = tuple(wanted[family] for family in service.families if family in wanted)
    pool = next((p for p in pools if all(map(p.usable, addresses))), None)
    if pool is None:
        return Refusal(
            "LB_ADDRESS_OUTSIDE_POOLS",
            f"asks for {', '.join(addresses)}, which no IPAddressPool has; there are {_listed(pools)}",
        )
    if service.requested_pool not in ("", pool.name):
        what = f"{', '.join(addresses)} is of IPAddressPool {pool.name}"
        return Refusal("LB_ADDRESS_OUTSIDE_POOLS", f"{what}, and metallb.io/address-pool asks for another one")
    if not _admits(pool, service, namespace):
        return _not_for(pool, service)
    for address in addresses:
        if why := held.objection(address, service):
            return Refusal("LB_ADDRESS_TAKEN", f"asks for {address}, but {why}")
    return Allocation(addresses, pool.name)


def _from_some_pool(service: BalancedService, pools: Sequence[AddressPool], held: Held, namespace: Labels) -> Answer:
    chosen = _choice(service, pools, namespace)
    if isinstance(chosen, Refusal):
        return chosen
    found = [answer for pool in chosen if (answer := _from_pool(service, pool, held))]
    # The first pool that has both families goes before an earlier one that has but one.
    whole = next((answer for answer in found if len(answer.addresses) == len(service.families)), None)
    return whole or (found[0] if found else _none_free(service, chosen, held))


def _choice(service: BalancedService, pools: Sequence[AddressPool], namespace: Labels) -> list[AddressPool] | Refusal:
    """The pools to try, in order."""
    if name := service.requested_pool:
        pool = next((pool for pool in pools if pool.name == name), None)
        if pool is None:
            return Refusal("LB_POOL_UNKNOWN", f'there is no IPAddressPool "{name}"; there are {_listed(pools)}')
        return [pool] if _admits(pool, service, namespace) else _not_for(pool, service)
    chosen = [pool for pool in pools if pool.auto_assign and _admits(pool, service, namespace)]
    if not chosen:
        why = "; ".join(_why_not(pool) for pool in sorted(pools, key=lambda pool: pool.name))
        return Refusal("LB_NO_POOL_FOR_SERVICE", f"no IPAddressPool is for this Service: {why}")
    return sorted(chosen, key=_rank)


def _rank(pool: AddressPool) -> tuple[bool, bool, float, str]:
    priority = (pool.allocation.priority if pool.allocation else 0) or float("inf")
    return pool.fallback, pool.allocation is None, priority, pool.name


def _why_not(pool: AddressPool) -> str:
    why = "serviceAllocation names other Services" if pool.auto_assign else "autoAssign is false: ask for it by name"
    return f"{pool.name} ({why})"


def _admits(pool: AddressPool, service: BalancedService, namespace: Labels) -> bool:
    """Whether its serviceAllocation is for this Service."""
    terms = pool.allocation
    if terms is None:
        return True
    by_namespace = service.namespace in terms.namespaces or any(s.matches(namespace) for s in terms.namespace_selectors)
    if (terms.namespaces or terms.namespace_selectors) and not by_namespace:
        return False
    return not terms.service_selectors or any(s.matches(service.labels) for s in terms.service_selectors)


def _not_for(pool: AddressPool, service: BalancedService) -> Refusal:
    return Refusal(
        "LB_NO_POOL_FOR_SERVICE",
        f"IPAddressPool {pool.name} is not for this Service: its serviceAllocation names other namespaces or labels",
    )


def _from_pool(service: BalancedService, pool: AddressPool, held: Held, have: Iterable[str] = ()) -> Allocation | None:
    """One address for each family, beside those it has; None when the pool has too few."""
    found = {family_of(address): address for address in have}
    for family in service.families:
        if family not in found and (free := _first_free(service, pool, held, family)):
            found[family] = free
    addresses = tuple(found[family] for family in service.families if family in found)
    if not _enough(service, addresses):
        return None
    missing = [family for family in service.families if family not in found]
    note = f"IPAddressPool {pool.name} has no free {missing[0]} address" if missing else ""
    return Allocation(addresses, pool.name, note)


def _first_free(service: BalancedService, pool: AddressPool, held: Held, family: Family) -> str:
    """The first that nobody has, or that its holders share with it."""
    for number in pool.numbers(family):
        if not held.is_taken(family, number):
            return written(family, number)
        if service.sharing and not held.objection(address := written(family, number), service):
            return address
    return ""


def _none_free(service: BalancedService, pools: Sequence[AddressPool], held: Held) -> Refusal:
    lacking = [family for family in service.families if not any(pool.size(family) for pool in pools)]
    names = ", ".join(pool.name for pool in pools)
    if lacking and service.family_policy != "PreferDualStack":
        return Refusal(
            "LB_NO_FAMILY", f"needs an {lacking[0]} address, and IPAddressPool {names} has no {lacking[0]} range"
        )
    if len(service.families) > 1:
        why = "; ".join(f"{pool.name} has no free {_lacking(service, pool, held)} address" for pool in pools)
        return Refusal("LB_POOL_EXHAUSTED", f"no address of each family in one pool is free: {why}")
    sizes = ", ".join(f"{pool.name} has {pool.size(service.families[0])}" for pool in pools)
    return Refusal("LB_POOL_EXHAUSTED", f"no address is free: {sizes}, all in use")


def _lacking(service: BalancedService, pool: AddressPool, held: Held) -> str:
    return " or ".join(family for family in service.families if not _first_free(service, pool, held, family))


def _listed(pools: Sequence[AddressPool]) -> str:
    shown = [f"{pool.name} ({', '.join(map(str, pool.ranges))})" for pool in sorted(pools, key=lambda p: p.name)]
    return "; ".join(shown)
