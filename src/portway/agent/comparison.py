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
    """One walk through all containers that are ours to fill."""

    def __init__(self, wanted: Ruleset) -> None:
        self.count = 0
        """Elements that are not as they should be; complete when `changes` has been gone through."""
        self.slots: list[Element] = []
        """Superfluous endpoints, which go when nobody can have drawn their slots any more."""
        self._wanted = wanted
        self._again: dict[str, list[Entry]] = {}
        self._gone: dict[str, list[Entry]] = {}

    def changes(self, held: Callable[[Container], dict[bytes, bytes]]) -> Iterator[Change]:
        """All but the deletion of `slots`, in the order in which nothing is ever half there. Go through it once."""
        for container in sorted((c for c in self._wanted.containers.values() if not c.learned), key=_rank):
            wanted, here = self._wanted.elements[container.name], held(container)
            if container.interval:
                yield from self._ranges(container.name, wanted, here)
            else:
                yield Change("add", container.name, self._missing(container.name, wanted, here))
                self._leave(container.name, here)
        for name, entries in self._again.items():
            yield Change("delete", name, entries)
            yield Change("add", name, entries)
        for name in reversed(self._gone):
            yield Change("delete", name, self._gone[name])

    def _missing(self, name: str, wanted: Mapping[bytes, bytes], here: dict[bytes, bytes]) -> Iterator[Entry]:
        """What is not there under its key; of `here` only what is superfluous is left."""
        for key, value in wanted.items():
            was = here.pop(key, None)
            if was is None:
                self.count += 1
                yield key, value
            elif was != value:
                self._again.setdefault(name, []).append((key, value))

    def _ranges(self, name: str, wanted: Mapping[bytes, bytes], here: dict[bytes, bytes]) -> Iterator[Change]:
        """What would overlap goes first. A range that is to lead elsewhere goes and comes."""
        gone = [(key, value) for key, value in here.items() if wanted.get(key) != value]
        come = [(key, value) for key, value in wanted.items() if here.get(key) != value]
        self.count += len(gone) + len(come)
        yield Change("delete", name, gone)
        yield Change("add", name, come)

    def _leave(self, name: str, here: dict[bytes, bytes]) -> None:
        self.count += len(here) + len(self._again.get(name, ()))
        if is_endpoints(name):
            self.slots += (Element(name, key, value) for key, value in here.items())
        elif here:
            self._gone[name] = list(here.items())


def by_container(verb: str, elements: Iterable[Element]) -> Iterator[Change]:
    """Endpoints first, and pods last."""
    groups: dict[str, list[Entry]] = {}
    for container, run in groupby(elements, lambda element: element.container):
        groups.setdefault(container, []).extend((key, value) for _, key, value in run)
    yield from (Change(verb, name, groups[name]) for name in sorted(groups, key=_order))


def is_endpoints(container: str) -> bool:
    """Whether it holds slots that packets draw."""
    return "endpoints" in container and not container.startswith("no_")


def _order(name: str) -> tuple[bool, bool, str]:
    return not is_endpoints(name), name in _PODS, name


def _rank(container: Container) -> tuple[bool, bool, bool, str]:
    return not container.interval, *_order(container.name)
