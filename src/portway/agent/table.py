"""Our table in the kernel: taken over, changed, checked."""

import errno
import logging
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import groupby
from operator import itemgetter

from msgspec.structs import replace

from portway.agent import nft
from portway.agent.nf_tables import Change, NfTables, Refusal, Refused
from portway.nftables import TABLE, Chain, Container, Element, Ruleset, Transaction, diff, element_text, pod_sets
from portway.nftables.render import structure

log = logging.getLogger(__name__)

_ATTEMPTS = 5
_PODS = frozenset(container.name for container in pod_sets())
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

    def adopt(self, wanted: Ruleset, whole: bool = True) -> Transaction:
        """Make the table what is wanted, whatever it is; elements that are right are not touched. Where it is not
        the `whole` that is wanted, what else is there stays.

        Returns what was changed of elements, and what was superfluous. The rules are always written: that takes one
        atomic transaction and costs no packet anything. Done again while others write at the same time; if they
        do not end, `touched` says so. Raises nft.NftError.
        """
        change = self._put_right(wanted, whole)
        for _ in range(_ATTEMPTS):
            if not self.touched():
                break
            more = self._put_right(wanted, whole)
            change = Transaction(
                delete=(*change.delete, *more.delete),
                add=(*change.add, *more.add),
                delete_chains=(*change.delete_chains, *more.delete_chains),
                delete_containers=(*change.delete_containers, *more.delete_containers),
            )
        return change

    def _put_right(self, wanted: Ruleset, whole: bool) -> Transaction:
        begun, commits = self._kernel.generation(), self._kernel.commits
        standing, by_netlink = _divided(tuple(wanted.chains.values()))
        closing = self._stand(standing, by_netlink, wanted.containers, whole)
        held = Ruleset(wanted.containers, wanted.chains, self._held(wanted.containers))
        change = replace(
            diff(held, wanted),
            set_chains=by_netlink,
            delete_chains=tuple(name for name in self._kernel.chains() if whole and name not in wanted.chains),
            delete_containers=tuple(n for n in self._kernel.containers() if whole and n not in wanted.containers),
        )
        self._commit(change, wanted.containers)
        if closing:
            nft.run(structure(Transaction(set_chains=closing)))
        by_nft = _BY_NFT * (2 if closing else 1)
        self._generation = begun + by_nft + self._kernel.commits - commits
        return replace(change, set_chains=())

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

    def _held(self, containers: Mapping[str, Container]) -> dict[str, dict[bytes, bytes]]:
        return {name: self._kernel.elements(c) for name, c in containers.items() if not c.learned}

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
        delete, add = list(change.delete), list(change.add)
        single = False
        for _ in range(_ATTEMPTS):
            try:
                self._kernel.commit(
                    _ordered(delete, add, containers),
                    containers,
                    change.set_chains,
                    change.delete_chains,
                    change.delete_containers,
                    single=single,
                )
                return
            except Refused as refused:
                if not refused.refusals:
                    raise nft.NftError(f"the kernel refuses: {refused}") from None
                if single:
                    delete, add = _without(refused.refusals, delete, add, containers)
                single = True
        raise nft.NftError("the kernel goes on refusing elements")


def _divided(chains: Sequence[Chain]) -> tuple[tuple[Chain, ...], tuple[Chain, ...]]:
    """(those that nft writes, those that netlink writes together with elements)."""
    standing = tuple(chain for chain in chains if not (chain.of_behaviour or chain.of_stamp))
    return standing, tuple(chain for chain in chains if chain.of_behaviour or chain.of_stamp)


def _stages(change: Transaction) -> Iterator[Transaction]:
    """Make, switch, take away: a commit each, where there is something to make or to take away.

    A packet looks up its frontend, draws a slot and looks that up, and a commit may come in between. So chains are
    there before elements name them, and a slot goes when nobody can have drawn it any more. New stamps come with the
    elements: what was judged by the old ones is judged again.
    """
    stamps = tuple(chain for chain in change.set_chains if chain.of_stamp)
    if len(stamps) < len(change.set_chains):
        yield Transaction(set_chains=tuple(chain for chain in change.set_chains if not chain.of_stamp))
    slots = [e for e in change.delete if _is_endpoints(e.container)]
    again = {(e.container, e.key) for e in change.add} if slots else set()
    going = tuple(e for e in slots if (e.container, e.key) not in again)
    left = set(going)
    delete = tuple(e for e in change.delete if e not in left)
    switch = Transaction(set_chains=stamps, delete=delete, add=change.add)
    take_away = Transaction(
        delete=going, delete_chains=change.delete_chains, delete_containers=change.delete_containers
    )
    yield from (stage for stage in (switch, take_away) if stage)


def _ordered(delete: Sequence[Element], add: Sequence[Element], containers: Mapping[str, Container]) -> list[Change]:
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
    order = (
        ("delete", ranges),
        ("add", _grouped(fresh)),
        ("delete", first),
        ("add", again),
        ("delete", _grouped(gone)[::-1]),
    )
    return [Change(verb, elements) for verb, elements in order if elements]


def _grouped(elements: Iterable[Element]) -> list[Element]:
    """One container after the other, endpoints first and pods last."""
    groups: dict[str, list[Element]] = {}
    for container, run in groupby(elements, itemgetter(0)):
        groups.setdefault(container, []).extend(run)
    order = sorted(groups, key=lambda name: (not _is_endpoints(name), name in _PODS, name))
    return [element for name in order for element in groups[name]]


def _is_endpoints(container: str) -> bool:
    return "endpoints" in container and not container.startswith("no_")


def _without(
    refusals: Sequence[Refusal], delete: list[Element], add: list[Element], containers: Mapping[str, Container]
) -> tuple[list[Element], list[Element]]:
    """What is left when the culprits are left out."""
    for refusal in refusals:
        gone_already = refusal.verb == "delete" and refusal.error == errno.ENOENT
        log.log(
            logging.DEBUG if gone_already else logging.ERROR,
            "the kernel does not %s %s { %s }: %s; the rest goes on",
            refusal.verb,
            refusal.element.container,
            element_text(containers[refusal.element.container], refusal.element.key, refusal.element.value),
            errno.errorcode.get(refusal.error, str(refusal.error)),
        )
    wrong = {(r.verb, r.element) for r in refusals}
    return [e for e in delete if ("delete", e) not in wrong], [e for e in add if ("add", e) not in wrong]
