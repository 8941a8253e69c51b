"""ServicePorts whose endpoints come in groups, each with a weight: how often each endpoint is drawn.

A group gets weight / all weights of the connections, however many endpoints it has; one without usable endpoints has
its part refused. Source: Gateway API 1.6, BackendRef.weight and TCPRouteRule.backendRefs.

A node draws one of a number of slots. As few as make all shares exact are taken, if that is not above EXACT. Else
there is a multiple of EXACT: then no group's part is wrong by as much as one slot, which is 0.1 % of the connections,
and an endpoint has at most one slot more than another of its group. Weights that are percentages stay exact.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import chain, repeat
from math import gcd, lcm

from portway.forwarding.endpoints import Choice, filled
from portway.model import Backend, EndpointSlice, Protocol

EXACT = 1000
MOST = 10_000
"""Of slots, even where more would be needed for each endpoint to have one."""

Slots = Counter[tuple[str, int]]
"""How many slots each endpoint (address, port) has."""


def grouped(
    slices: Iterable[EndpointSlice], port_name: str, protocol: Protocol
) -> list[tuple[int, list[EndpointSlice]]]:
    """The groups of one ServicePort, of both families, with their weights; none when nobody speaks of shares.

    While a weight changes, the slices of a group differ: the first by name counts.
    """
    told = [(piece, piece.share) for piece in slices if piece.share]
    found: dict[str, tuple[int, list[EndpointSlice]]] = {}
    for piece, share in told:
        if any((port.name, port.protocol) == (port_name, protocol) for port in piece.ports):
            found.setdefault(share.group, (share.weight, []))[1].append(piece)
    return list(found.values())


def shared(groups: Iterable[tuple[int, Choice]]) -> Choice:
    """What is chosen for the groups, each with its weight, as one choice."""
    counting = _counting(groups)
    chosen = [choice for _, choice in counting if choice.cluster]
    slots, refused = _drawn(counting) if chosen else (Slots(), 0)
    backends = {(b.address, b.port): b for choice in reversed(chosen) for b in choice.cluster}
    cluster = tuple(backend for key, backend in backends.items() if slots[key])
    if not cluster:
        return Choice()
    drawn = chain.from_iterable(repeat(backend, slots[backend.address, backend.port]) for backend in cluster)
    return Choice(
        cluster,
        has_endpoints=True,
        cluster_terminating=all(choice.cluster_terminating for choice in chosen),
        slots=tuple(drawn) if max(slots.values()) > 1 else (),
        refused=refused,
    )


def _counting(groups: Iterable[tuple[int, Choice]]) -> list[tuple[int, Choice]]:
    """Those with a weight; all that have no endpoints as one, so that what is refused is rounded once."""
    found: list[tuple[int, Choice]] = []
    nowhere = 0
    for weight, choice in groups:
        if not choice.cluster:
            nowhere += weight
        elif weight:
            found.append((weight, choice))
    return [*found, (nowhere, Choice())] if nowhere else found


def _drawn(groups: Sequence[tuple[int, Choice]]) -> tuple[Slots, int]:
    """(each endpoint's slots, how many lead nowhere), as few as can be."""
    found, refused = Slots(), 0
    for part, (_, choice) in zip(_divided(_number(groups), [weight for weight, _ in groups]), groups, strict=True):
        if choice.cluster:
            each = _divided(part, [1] * len(choice.cluster))
            found.update({(b.address, b.port): n for b, n in zip(choice.cluster, each, strict=True)})
        else:
            refused += part
    step = gcd(refused, *found.values())
    return Slots({key: number // step for key, number in found.items()}), refused // step


def _number(groups: Sequence[tuple[int, Choice]]) -> int:
    """Of slots."""
    total = sum(weight for weight, _ in groups)
    each = [(weight, total * max(len(choice.cluster), 1)) for weight, choice in groups]
    exact = lcm(*(whole // gcd(weight, whole) for weight, whole in each))
    if exact <= EXACT:
        return exact
    for_everybody = max(-(-whole // weight) for weight, whole in each)
    return min(-(-for_everybody // EXACT) * EXACT, MOST)


def _divided(number: int, weights: Sequence[int]) -> list[int]:
    """`number` by weights, each part rounded so that the sum is right: the largest remainders are rounded up."""
    total = sum(weights)
    parts = [number * weight // total for weight in weights]
    by_remainder = sorted(range(len(weights)), key=lambda at: -(number * weights[at] % total))
    for at in by_remainder[: number - sum(parts)]:
        parts[at] += 1
    return parts


def in_shared_slots(previous: Sequence[Backend], wanted: Iterable[Backend]) -> tuple[Backend, ...]:
    """endpoints.in_slots where a backend has several slots."""
    coming = _numbered(wanted)
    return filled([coming.pop(key, None) for key in _numbered(previous)], coming.values())


def _numbered(backends: Iterable[Backend]) -> dict[tuple[str, int, int], Backend]:
    """Each by its address and how often that came before."""
    seen: Counter[tuple[str, int]] = Counter()
    found: dict[tuple[str, int, int], Backend] = {}
    for backend in backends:
        key = backend.address, backend.port
        found[*key, seen[key]] = backend
        seen[key] += 1
    return found
