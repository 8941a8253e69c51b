"""The policies' part of a node's table: objects in, what the kernel is to hold out."""

import logging

from portway.agent import stamps
from portway.agent.config import LOG_GROUP, AgentConfig
from portway.agent.table import KernelTable
from portway.client import Key
from portway.model import ClusterNetworkPolicy, Connection, Judgement, Labels, Namespace, NetworkPolicy, Node, Pod
from portway.nftables import PolicyConfig, PolicyProgram, Ruleset, Transaction, next_generation
from portway.policy import PolicyInputs, inputs_of

log = logging.getLogger(__name__)


class Policies:
    """Follows the objects. `put_*` remember, `update` tells how the kernel must change.

    A mistake of ours in here must not hold up Services: then the rules stay as they are, which keeps new pods closed,
    and everything is computed anew when the next object changes.
    """

    def __init__(self, config: AgentConfig, kernel: KernelTable) -> None:
        self._config = config
        self._kernel = kernel
        self._inputs = PolicyInputs(config.node_name)
        self._program: PolicyProgram | None = None
        self._pod_cidrs: tuple[str, ...] = ()
        self._known = self._broken = self._changed = False

    def put_pod(self, key: Key, pod: Pod | None) -> None:
        """A pod, of whatever node, came, changed or went."""
        self._inputs.put_pod(key, pod)
        self._changed = True

    def put_namespace(self, name: str, namespace: Namespace | None) -> None:
        """A namespace came, changed or went."""
        self._inputs.put_namespace(name, namespace)
        self._changed = True

    def put_policy(self, key: Key, policy: NetworkPolicy | None) -> None:
        """A NetworkPolicy came, changed or went."""
        self._inputs.put_policy(key, policy)
        self._changed = True

    def put_cluster_policy(self, name: str, policy: ClusterNetworkPolicy | None) -> None:
        """A ClusterNetworkPolicy came, changed or went."""
        self._inputs.put_cluster_policy(name, policy)
        self._changed = True

    def put_node(self, name: str, node: Node | None, labels: Labels) -> None:
        """A node came, changed or went; this one says which addresses are its pods'."""
        self._inputs.put_node(name, node, labels)
        if name == self._config.node_name:
            self._pod_cidrs = node.pod_cidrs if node else ()
        self._changed = True

    def all_known(self) -> None:
        """Every object has been put once: from now on what is not there is known not to be."""
        self._known = self._changed = True

    @property
    def ruleset(self) -> Ruleset | None:
        """What the kernel should hold of policies; None while that is not known, and it keeps what it has."""
        return self._program.ruleset if self._program else None

    def update(self) -> Transaction | None:
        """How the kernel must change since the last update; None when it must be compared with `ruleset` as a whole.

        Never raises.
        """
        if not (self._known and self._changed):
            return Transaction()
        self._changed = False
        try:
            return self._follow()
        except Exception:
            log.exception("policies cannot be followed: rules stay as they are, and pods that are new stay closed")
            self._program, self._broken = None, True
            return Transaction()

    def _follow(self) -> Transaction | None:
        if self._broken:
            self._inputs, self._broken = inputs_of(self._inputs.snapshot, self._config.node_name), False
        change = self._inputs.take()
        config = PolicyConfig(self._pod_cidrs, self._config.pod_interface, LOG_GROUP if self._config.access_log else 0)
        if self._program is None or self._program.config != config:
            self._program = self._begun(config)
            self._program.load(self._inputs.table)
            return None
        if change and self._program.wraps_next:
            _wipe_stamps(self._program.stamp)
        return self._program.update(change)

    def _begun(self, config: PolicyConfig) -> PolicyProgram:
        """A program whose stamps no connection bears yet."""
        number = next_generation(self._program.generation) if self._program else stamps.first_generation()
        if number == next_generation(0):
            _wipe_stamps()
        return PolicyProgram(config, number)

    def judge(self, connection: Connection) -> Judgement:
        """Who decides what of a connection, as the objects are now."""
        return self._inputs.judge(connection, self._config.node_name)

    def judge_again(self) -> Transaction:
        """Have every open connection judged again."""
        return self._program.judge_again() if self._program else Transaction()


def _wipe_stamps(keep: int = 0) -> None:
    try:
        wiped = stamps.wipe(keep)
    except OSError as error:
        log.warning("connections that were allowed long ago may stay so until they end: %s", error)
        return
    if wiped:
        log.info("%d connections are judged again", wiped)
