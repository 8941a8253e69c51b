"""What a table holds against what it should hold, one container after the other, as changes for the kernel.

Nothing is copied: what is missing is told while it is found, and what is wanted may itself be made meanwhile.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import groupby

from portway.agent.elements import Entry
from portway.agent.nf_tables import Change
from portway.nftables import Container, Element, Ruleset, pod_sets

_PODS = frozenset(container.name for container in pod_sets())


class Comparison:
    """What some containers hold against what is wanted of them. `missing` begins it and must be gone through first."""

    def __init__(self, wanted: Ruleset, containers: Iterable[Container]) -> None:
        self.count = 0
        """Elements that are not as they should be."""
        self._wanted = wanted
        self._containers = sorted(containers, key=_rank)
        self._wrong: dict[str, list[Entry]] = {}
        self._superfluous: dict[str, list[Entry]] = {}

    def missing(self, held: Callable[[Container], dict[bytes, bytes]]) -> Iterator[Change]:
        """What is not there under its key; and ranges, of which what would overlap goes first."""
        self.count, self._wrong, self._superfluous = 0, {}, {}
        for container in self._containers:
            wanted, here = self._wanted.elements[container.name], held(container)
            if container.interval:
                yield from self._ranges(container.name, wanted, here)
                continue
            yield Change("add", container.name, self._missing(container.name, wanted, here))
            self._superfluous[container.name] = list(here.items())
            self.count += len(here)

    def wrong(self) -> Iterator[Change]:
        """What has another value under its key."""
        for name, entries in self._wrong.items():
            yield Change("delete", name, entries)
            yield Change("add", name, entries)

    def superfluous(self) -> Iterator[Change]:
        """What nobody wants."""
        yield from (Change("delete", name, entries) for name, entries in reversed(self._superfluous.items()))

    def _missing(self, name: str, wanted: Mapping[bytes, bytes], here: dict[bytes, bytes]) -> Iterator[Entry]:
        """Of `here` only what is superfluous is left."""
        for key, value in wanted.items():
            was = here.pop(key, None)
            if was is None:
                self.count += 1
                yield key, value
            elif was != value:
                self.count += 1
                self._wrong.setdefault(name, []).append((key, value))

    def _ranges(self, name: str, wanted: Mapping[bytes, bytes], here: dict[bytes, bytes]) -> Iterator[Change]:
        gone = [(key, value) for key, value in here.items() if wanted.get(key) != value]
        come = [(key, value) for key, value in wanted.items() if here.get(key) != value]
        self.count += len(gone) + len(come)
        yield Change("delete", name, gone)
        yield Change("add", name, come)


def by_container(verb: str, elements: Iterable[Element]) -> Iterator[Change]:
    """Endpoints first, and pods last."""
    groups: dict[str, list[Entry]] = {}
    for container, run in groupby(elements, lambda element: element.container):
        groups.setdefault(container, []).extend((key, value) for _, key, value in run)
    yield from (Change(verb, name, groups[name]) for name in sorted(groups, key=_order))


def is_endpoints(container: str) -> bool:
    """Whether it holds slots that packets draw."""
    return "endpoints" in container and not container.startswith("no_")


def goes_last(container: str) -> bool:
    """Whether packets on their way may still need what stands there when nothing leads to it any more: slots that
    they drew, and pods that they were sent to and came from.
    """
    return is_endpoints(container) or container in ("hairpin4", "hairpin6")


def _order(name: str) -> tuple[bool, bool, str]:
    return not is_endpoints(name), name in _PODS, name


def _rank(container: Container) -> tuple[bool, bool, bool, str]:
    return not container.interval, *_order(container.name)
