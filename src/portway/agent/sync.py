"""From objects to the kernel: what changed is computed, compiled and programmed, and nothing else."""

import ctypes
import gc
import logging
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from time import perf_counter

import msgspec

from portway.agent import affinity, conntrack, nft
from portway.agent.accesslog import AccessLog
from portway.agent.addresses import local_addresses
from portway.agent.config import LOG_GROUP, AgentConfig
from portway.agent.metrics import Tally
from portway.agent.nft import NftError
from portway.agent.policies import Policies
from portway.agent.service_cidrs import ServiceCidrs
from portway.agent.table import KernelTable
from portway.forwarding import (
    Contribution,
    ForwardingTable,
    HealthCheck,
    Inputs,
    ServiceKey,
    with_node_port_addresses,
    with_pod_cidrs,
)
from portway.model import EndpointSlice, LocalDetector, Node, ProxyConfig, Service
from portway.nftables import Program, Ruleset, Transaction, diff, unite_rulesets, unite_transactions

log = logging.getLogger(__name__)


def proxy_config(config: AgentConfig, node: Node | None) -> ProxyConfig:
    """What forwarding needs to know, from what the agent was told and what its Node says."""
    detector = config.local_detector
    if detector is None and config.cluster_cidrs:
        detector = LocalDetector("ClusterCIDR", config.cluster_cidrs)
    told = ProxyConfig(
        node_name=config.node_name,
        node_addresses=node.addresses if node else (),
        masquerade_all=config.masquerade_all,
        local_detector=detector,
        log_group=LOG_GROUP if config.access_log else 0,
        node_port_range=config.node_port_range if config.access_log else (0, 0),
    )
    resolved = with_node_port_addresses(told, config.node_port_addresses, _local_addresses(config))
    return with_pod_cidrs(resolved, node) if node else resolved


def _possible(config: AgentConfig) -> AgentConfig:
    """Without what this kernel does not offer."""
    if not config.access_log or nft.finds_sockets():
        return config
    log.warning("access log: this kernel's rules cannot look for sockets (nft_socket): unused nodePorts are not logged")
    return msgspec.structs.replace(config, node_port_range=(0, 0))


def _local_addresses(config: AgentConfig) -> tuple[str, ...]:
    """Those that CIDRs choose from; nobody asks for them where there are none."""
    if isinstance(config.node_port_addresses, str):
        return ()
    try:
        return local_addresses()
    except OSError as error:
        log.warning("nodePorts answer at the addresses that the Node tells of: the kernel tells none: %s", error)
        return ()


@contextmanager
def _one_sweep(begun: bool) -> Iterator[None]:
    """Until the kernel has everything, what is made is there to stay: the collector looks for nothing meanwhile, and
    never goes through it again.
    """
    if begun or not gc.isenabled():
        yield
        return
    gc.disable()
    try:
        yield
        gc.freeze()
        _give_back()
    finally:
        gc.enable()


def _give_back() -> None:
    """Memory that was needed for the first sync only goes back to the kernel, where the C library can do that."""
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim:
        trim(0)


class Syncer:
    """Keeps the kernel's table what the objects say. On one thread; `put_*` remember, `sync` acts."""

    def __init__(self, config: AgentConfig, kernel: KernelTable) -> None:
        self._config = config = _possible(config)
        self._kernel = kernel
        self._inputs = Inputs(config.node_name)
        self._service_cidrs = ServiceCidrs(config.service_cidrs)
        self._inputs.put_service_cidrs(self._service_cidrs.ranges)
        self._node: Node | None = None
        self._table = ForwardingTable(proxy_config(config, None), {}, self._service_cidrs.ranges)
        self._program = Program(self._table.config, self._table.service_cidrs)
        self.health_checks: dict[ServiceKey, HealthCheck] = {}
        """What the probes of healthCheckNodePorts are to be told; read only."""
        self.policies = Policies(config, kernel) if config.network_policy else None
        self.access_log = AccessLog(config.access_log, config.node_name) if config.access_log else None
        if self.access_log and self.policies:
            self.access_log.put_judge(self.policies.judge)
        self._adopted = False
        self.whole = False
        """Whether the last sync read what the kernel held and put it right, and did not only write a change."""
        self.tally = Tally(services=self.access_log.counters if self.access_log else None, table=lambda: self._table)
        self._reslice: set[ServiceKey] = set()
        """Services whose slices changed since UDP flows were last looked through."""

    def put_service(self, key: ServiceKey, service: Service | None) -> None:
        """A Service came, changed or went."""
        self._inputs.put_service(key, service)

    def put_slice(self, key: tuple[str, str], piece: EndpointSlice | None) -> None:
        """An EndpointSlice came, changed or went."""
        touched = (self._inputs.snapshot.slices.get(key), piece)
        self._reslice.update((p.namespace, p.service) for p in touched if p)
        self._inputs.put_slice(key, piece)

    def put_node(self, node: Node | None) -> None:
        """This node's own object."""
        self._node = node
        self._inputs.put_node(self._config.node_name, node)

    def put_service_cidr(self, key: tuple[str, str], cidrs: tuple[str, ...] | None) -> None:
        """A ServiceCIDR came, changed or went."""
        self._service_cidrs.put(key, cidrs)
        self._inputs.put_service_cidrs(self._service_cidrs.ranges)

    @property
    def proxy(self) -> ProxyConfig:
        """The configuration that the last sync acted on."""
        return self._table.config

    def sync(self) -> int:
        """Program what changed; how many elements that took.

        Raises NftError; then the next sync begins from what the kernel holds.
        """
        self.whole = False
        with _one_sweep(self._adopted):
            return self._sync()

    def _sync(self) -> int:
        began = perf_counter()
        previous, changed = self._program, self._inputs.taken()
        if self._follow_config():
            changed |= self._inputs.snapshot.services.keys()
        self._table = self._inputs.recompute(self._table, changed)
        changes = {key: self._table.contributions.get(key) for key in changed}
        self._learn_health_checks(changes)
        if self.access_log:
            self.access_log.put_proxy(self._table.config)
            self.access_log.put_contributions(changes)
        count = self._write(previous, changes)
        if forgotten := affinity.forget_stale(self._kernel, self._program):
            log.info("%d clients of endpoints that left are forgotten", forgotten)
        self._forget_stale_flows()
        took = (perf_counter() - began) * 1000
        if count:
            log.info("%d Services, %d elements in %.1f ms", len(changed), count, took)
        return count

    def _learn_health_checks(self, changes: Mapping[ServiceKey, Contribution | None]) -> None:
        for key, contribution in changes.items():
            self.health_checks.pop(key, None)
            if contribution and contribution.health_check:
                self.health_checks[key] = contribution.health_check

    def _follow_config(self) -> bool:
        """When this node's addresses, pod CIDRs or the ServiceCIDRs changed, an empty Program takes over: True."""
        config, cidrs = proxy_config(self._config, self._node), self._service_cidrs.ranges
        if (config, cidrs) == (self._table.config, self._table.service_cidrs):
            return False
        self._table = msgspec.structs.replace(self._table, config=config, service_cidrs=cidrs)
        self._program = Program(config, cidrs)
        return True

    def _write(self, previous: Program, changes: Mapping[ServiceKey, Contribution | None]) -> int:
        """Programs take in the changes and the kernel what differs, Services' and policies' in one transaction."""
        services = self._take(previous, changes)
        policies = self.policies.update() if self.policies else Transaction()
        if services is None or policies is None:
            return self.restore()
        return self._apply(unite_transactions(services, policies))

    def _take(self, previous: Program, changes: Mapping[ServiceKey, Contribution | None]) -> Transaction | None:
        """None when the kernel must be read, as it holds something else than another Program's."""
        if self._adopted and previous is self._program:
            return self._program.update(changes)
        self._program.load(changes)
        return diff(previous.ruleset, self._program.ruleset) if self._adopted else None

    def _apply(self, transaction: Transaction) -> int:
        if transaction:
            self._adopted = False
            self._adopted = self._kernel.apply(transaction, unite_rulesets(*self._parts).containers)
            if not self._adopted:
                self.restore()
        return transaction.element_count

    @property
    def _parts(self) -> list[Ruleset]:
        """Services', and policies' where they are known."""
        policies = self.policies.ruleset if self.policies else None
        return [self._program.ruleset, policies] if policies else [self._program.ruleset]

    def _forget_stale_flows(self) -> None:
        """UDP flows to endpoints that left; only changes of slices make any, and Service changes do not."""
        services = self._inputs.snapshot.services
        endpoints: dict[tuple[str, int], frozenset[conntrack.Answerer]] = {}
        for key in self._reslice & services.keys():
            endpoints.update(conntrack.serving(services[key], self._inputs.slices_of.get(key, {}).values()))
        self._reslice.clear()
        if not endpoints:
            return
        began = perf_counter()
        try:
            forgotten = conntrack.forget_stale(endpoints)
        except OSError as error:
            log.warning("UDP flows to endpoints that left stay until they fall silent: %s", error)
            return
        self.tally.reconciled(perf_counter() - began, forgotten)
        if forgotten:
            log.info("%d UDP flows to endpoints that left are forgotten", forgotten)

    def restore(self) -> int:
        """Read what the kernel holds and make it right; how much was not. Raises NftError."""
        self._adopted, self.whole = False, True
        parts = self._parts
        # What policies were left by an agent before us stays until ours are known.
        whole = self.policies is None or len(parts) > 1
        try:
            count = self._kernel.adopt(unite_rulesets(*parts), whole)
        except NftError as error:
            if len(parts) > 1:
                self._restore_each(parts, error)
            raise
        self._adopted = True
        return count

    def _restore_each(self, parts: Iterable[Ruleset], error: NftError) -> None:
        """What is wrong with Services or policies must not hold up the other."""
        for name, part in zip(("Services", "policies"), parts, strict=True):
            try:
                self._kernel.adopt(part, whole=False)
            except NftError as reason:
                log.error("%s cannot be programmed: %s", name, reason)
            else:
                log.info("%s alone are programmed, as both cannot be: %s", name, error)

    def check(self) -> None:
        """Repair what others did to our table. Raises NftError."""
        if self._adopted and self._kernel.touched():
            repaired = self.restore()
            if repaired:
                log.warning("someone changed table inet portway: %d elements put right", repaired)
                # Meanwhile connections may have been allowed that are not.
                self._apply(self.policies.judge_again() if self.policies else Transaction())
