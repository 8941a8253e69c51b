"""Our table in the kernel: taken over, changed, checked."""

import errno
import logging
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from itertools import chain as chained
from time import sleep
from typing import Any

from msgspec.structs import replace

from portway.agent import nft
from portway.agent.comparison import Comparison, by_container, goes_last
from portway.agent.nf_tables import Change, Concern, NfTables, Refusal, Refused, fingerprints
from portway.nftables import TABLE, Chain, Container, Element, Ruleset, Transaction, element_text
from portway.nftables.render import structure

log = logging.getLogger(__name__)

_ATTEMPTS = 5
_PASSING = frozenset((errno.EAGAIN, errno.EBUSY, errno.EINTR, errno.ENOBUFS, errno.ENOMEM))
"""What the kernel could not do just then, whatever it was about: a hash table that still grows, memory."""
_PAUSE = 0.005
"""Seconds in which it may have done so."""
_FILL = 1 << 18
"""Bytes of a commit whose elements need not come at once: as many as the processor's caches hold on the way."""
_BY_NFT = 1
"""Commits of one `nft -f`. The kernel counts everybody's commits and we count ours: what is above is others'."""


class KernelTable:
    """`table inet portway` of this network namespace.

    Nothing else is ever touched. Whoever holds it applies to it exactly the transactions of one Program, so that it
    needs to be read only when someone else may have changed it.
    """

    def __init__(self) -> None:
        self._kernel = NfTables()
        self._generation = -1

    def close(self) -> None:
        """Let go of it; the table stays."""
        self._kernel.close()

    def touched(self) -> bool:
        """Whether anyone committed anything to nftables here since our last commit."""
        return self._kernel.generation() != self._generation

    def adopt(self, wanted: Ruleset, whole: bool = True) -> int:
        """Make the table what is wanted, whatever it is; elements that are right are not touched. Where it is not
        the `whole` that is wanted, what else is there stays.

        Returns how many elements were changed, with what was superfluous. The rules are always written: that takes one
        atomic transaction and costs no packet anything. Done again while others write at the same time; if they
        do not end, `touched` says so. Raises nft.NftError.
        """
        changed = self._put_right(wanted, whole)
        for _ in range(_ATTEMPTS):
            if not self.touched():
                break
            changed += self._put_right(wanted, whole)
        return changed

    def _put_right(self, wanted: Ruleset, whole: bool) -> int:
        begun, commits = self._kernel.generation(), self._kernel.commits
        standing, by_netlink = _divided(tuple(wanted.chains.values()))
        closing = self._stand(standing, by_netlink, wanted.containers, whole)
        changed = self._write(wanted, by_netlink, whole)
        if closing:
            nft.run(structure(Transaction(set_chains=closing)))
        by_nft = _BY_NFT * (2 if closing else 1)
        self._generation = begun + by_nft + self._kernel.commits - commits
        return changed

    def _stand(
        self, standing: Sequence[Chain], named: Sequence[Chain], containers: Mapping[str, Container], whole: bool
    ) -> tuple[Chain, ...]:
        """Have containers and standing chains there; those that are still to come, when elements are in: hooks that
        would stop everything until then.
        """
        there = self._kernel.chains()
        stamps = tuple(chain for chain in named if chain.of_stamp)

        def written(closing: Sequence[Chain]) -> str:
            chains = tuple(chain for chain in standing if chain not in closing)
            return structure(Transaction(tuple(containers.values()), chains), stamps)

        closing = tuple(chain for chain in standing if chain.fails_closed and chain.name not in there)
        try:
            nft.run(written(closing))
        except nft.NftError as error:
            if not whole:
                raise
            log.warning("the table that is here does not fit (%s): it is made anew", error)
            closing = tuple(chain for chain in standing if chain.fails_closed)
            nft.run(f"add table inet {TABLE}\ndelete table inet {TABLE}\n{written(closing)}")
        return closing

    def _write(self, wanted: Ruleset, chains: Sequence[Chain], whole: bool) -> int:
        """In stages, as `_stages` explains. Slots that nobody draws yet need not come all at once, and come in half
        the time when they do not.
        """
        containers = wanted.containers
        ours = [container for container in containers.values() if not container.learned]
        lasting = Comparison(wanted, (c for c in ours if goes_last(c.name)))
        others = Comparison(wanted, (c for c in ours if not goes_last(c.name)))
        stamps = tuple(chain for chain in chains if chain.of_stamp)

        def switch() -> Iterator[Change]:
            return chained(others.missing(self._held), lasting.wrong(), others.wrong(), others.superfluous())

        self._commit_changes(tuple, containers, set_chains=self._changed(chains))
        self._commit_changes(lambda: lasting.missing(self._held), containers, longest=_FILL)
        self._commit_changes(switch, containers, set_chains=stamps)
        going = {
            "delete_chains": [name for name in self._kernel.chains() if whole and name not in wanted.chains],
            "delete_containers": [name for name in self._kernel.containers() if whole and name not in containers],
        }
        self._commit_changes(lasting.superfluous, containers, **going)
        return lasting.count + others.count + sum(map(len, going.values()))

    def _changed(self, chains: Sequence[Chain]) -> list[Chain]:
        """Those of behaviours that are not there as they should be: writing one makes the kernel walk its map."""
        behaviours = [chain for chain in chains if not chain.of_stamp]
        held = self._kernel.rules() if behaviours else {}
        return [chain for chain in behaviours if held.get(chain.name) != fingerprints(chain)]

    def _held(self, container: Container) -> dict[bytes, bytes]:
        return self._kernel.elements(container)

    def learned(self, container: Container) -> dict[bytes, bytes]:
        """What packets made the kernel put there. Raises nft.NftError."""
        try:
            return self._kernel.elements(container)
        except OSError as error:
            raise nft.NftError(f"the kernel does not tell what {container.name} holds: {error}") from None

    def forget(self, learned: Sequence[Element], containers: Mapping[str, Container]) -> None:
        """Take those away; some may have expired. Raises nft.NftError."""
        if learned:
            commits = self._kernel.commits
            self._commit(Transaction(delete=tuple(learned)), containers)
            self._generation += self._kernel.commits - commits

    def apply(self, transaction: Transaction, containers: Mapping[str, Container]) -> bool:
        """Carry out a Program's transaction; False when someone else wrote meanwhile, and `adopt` is due.

        Raises nft.NftError. Elements that the kernel refuses are named in the log and left out.
        """
        commits = self._kernel.commits
        standing, by_netlink = _divided(transaction.set_chains)
        if standing or transaction.add_containers:
            nft.run(structure(Transaction(transaction.add_containers, standing)))
            self._generation += _BY_NFT
        self._commit(replace(transaction, set_chains=by_netlink), containers)
        self._generation += self._kernel.commits - commits
        return not self.touched()

    def _commit(self, change: Transaction, containers: Mapping[str, Container]) -> None:
        for stage in _stages(change):
            self._commit_stage(stage, containers)

    def _commit_stage(self, change: Transaction, containers: Mapping[str, Container]) -> None:
        self._commit_changes(
            lambda: _ordered(change.delete, change.add, containers),
            containers,
            set_chains=change.set_chains,
            delete_chains=change.delete_chains,
            delete_containers=change.delete_containers,
        )

    def _commit_changes(
        self, changes: Callable[[], Iterable[Change]], containers: Mapping[str, Container], **more: Any
    ) -> None:
        """Commit what `changes` gives, without what the kernel refuses, which takes some attempts then.

        What shares a message with a culprit is sent by itself the next time, and who is refused by himself is left out.
        """
        apart: set[Concern] = set()
        wrong: set[Concern] = set()
        for _ in range(_ATTEMPTS):
            try:
                self._kernel.commit(_without(changes(), wrong), containers, **more, apart=apart)
                return
            except Refused as refused:
                if not refused.refusals:
                    raise nft.NftError(f"the kernel refuses: {refused}") from None
                if all(refusal.error in _PASSING for refusal in refused.refusals):
                    sleep(_PAUSE)
                    continue
                culprits = [r for r in refused.refusals if r.concern in apart and r.error not in _PASSING]
                for refusal in culprits:
                    _tell(refusal, containers)
                wrong.update(refusal.concern for refusal in culprits)
                apart.update(refusal.concern for refusal in refused.refusals)
        raise nft.NftError("the kernel goes on refusing elements")


def _divided(chains: Sequence[Chain]) -> tuple[tuple[Chain, ...], tuple[Chain, ...]]:
    """(those that nft writes, those that netlink writes together with elements)."""
    standing = tuple(chain for chain in chains if not (chain.of_behaviour or chain.of_stamp))
    return standing, tuple(chain for chain in chains if chain.of_behaviour or chain.of_stamp)


def _stages(change: Transaction) -> Iterator[Transaction]:
    """Make, switch, take away: a commit each, where there is something to make or to take away.

    A packet looks up its frontend, draws a slot and looks that up, and on its way out it is looked up whether it goes
    back to where it came from; a commit may come in between. So chains are there before elements name them, and what
    `goes_last` goes when hardly anybody can be on his way any more. New stamps come with the elements: what was judged
    by the old ones is judged again.
    """
    stamps = tuple(chain for chain in change.set_chains if chain.of_stamp)
    if len(stamps) < len(change.set_chains):
        yield Transaction(set_chains=tuple(chain for chain in change.set_chains if not chain.of_stamp))
    lasting = [e for e in change.delete if goes_last(e.container)]
    again = {(e.container, e.key) for e in change.add} if lasting else set()
    going = tuple(e for e in lasting if (e.container, e.key) not in again)
    left = set(going)
    delete = tuple(e for e in change.delete if e not in left)
    switch = Transaction(set_chains=stamps, delete=delete, add=change.add)
    take_away = Transaction(
        delete=going, delete_chains=change.delete_chains, delete_containers=change.delete_containers
    )
    yield from (stage for stage in (switch, take_away) if stage)


def _ordered(
    delete: Sequence[Element], add: Sequence[Element], containers: Mapping[str, Container]
) -> Iterator[Change]:
    """So that a batch that must be split never has a frontend without its endpoints, or a pod without its rules.

    What would overlap goes first. Then new endpoints come, what takes another value, and the rest goes.
    """
    ranges = [e for e in delete if containers[e.container].interval]
    if ranges:
        delete = [e for e in delete if not containers[e.container].interval]
    replaced = {(e.container, e.key) for e in delete}
    fresh = [e for e in add if (e.container, e.key) not in replaced] if replaced else add
    again = [e for e in add if (e.container, e.key) in replaced] if replaced else []
    changes = {(e.container, e.key) for e in again}
    first = [e for e in delete if (e.container, e.key) in changes]
    gone = [e for e in delete if (e.container, e.key) not in changes]
    yield from by_container("delete", ranges)
    yield from by_container("add", fresh)
    yield from by_container("delete", first)
    yield from by_container("add", again)
    yield from list(by_container("delete", gone))[::-1]


def _without(changes: Iterable[Change], wrong: Collection[Concern]) -> Iterator[Change]:
    if not wrong:
        yield from changes
        return
    for change in changes:
        left = (e for e in change.entries if (change.verb, change.container, e[0]) not in wrong)
        yield Change(change.verb, change.container, left)


def _tell(refusal: Refusal, containers: Mapping[str, Container]) -> None:
    gone_already = refusal.verb == "delete" and refusal.error == errno.ENOENT
    log.log(
        logging.DEBUG if gone_already else logging.ERROR,
        "the kernel does not %s %s { %s }: %s; the rest goes on",
        refusal.verb,
        refusal.element.container,
        element_text(containers[refusal.element.container], refusal.element.key, refusal.element.value),
        errno.errorcode.get(refusal.error, str(refusal.error)),
    )
