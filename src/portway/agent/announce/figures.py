"""What an announcer counts, and how Prometheus is told: MetalLB's names with MetalLB's meanings.

Source: MetalLB 0.15 internal/layer2/stats.go, internal/bgp/metrics, speaker/main.go, internal/k8s/controllers/stats.go.
Counting is plain numbers; prometheus_client is imported with the first question, which another thread may ask.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING

from msgspec import Struct

from portway.model.loadbalancer import Doubt

if TYPE_CHECKING:
    from prometheus_client.core import Metric


class Told(Struct, frozen=True, order=True):
    """This node tells of one address of a Service."""

    protocol: str
    """"layer2" | "bgp"."""
    service: str
    """`NAMESPACE/NAME`."""
    address: str


class Figures:
    """Of one node."""

    def __init__(self, node: str) -> None:
        self.node = node
        self.received: Counter[str] = Counter()
        """Questions (ARP, NDP) by the address that they ask for, of those that are ours."""
        self.answered: Counter[str] = Counter()
        self.gratuitous: Counter[str] = Counter()
        """Announcements that nobody asked for, in packets."""
        self.told: frozenset[Told] = frozenset()
        self.fresh: Callable[[], bool] = lambda: True
        """Whether this node may answer at layer 2 at all: one that is cut off holds addresses and is silent."""
        self.prefixes: dict[str, int] = {}
        """How many routes each peer (`ADDRESS:PORT`) is to be told."""
        self.up: frozenset[str] = frozenset()
        """Addresses of the peers with a session."""
        self.refused: frozenset[tuple[str, str]] = frozenset()
        """Peers (`ADDRESS:PORT`) that are told nothing, and why."""
        self.bgp_updates: Counter[str] = Counter()
        """UPDATE messages sent, by the peer's address."""
        self.doubts: tuple[Doubt, ...] = ()
        """What keeps clients from addresses that are answered for here."""
        self.rounds = self.failures = 0
        self.loaded = self.stale = False

    def collect(self) -> Iterable["Metric"]:
        """As prometheus_client asks a collector."""
        yield from self._layer2()
        yield self._announced()
        yield self._doubts()
        yield from self._bgp()
        yield from self._client()

    def _layer2(self) -> Iterator["Metric"]:
        from prometheus_client.core import UnknownMetricFamily

        for name, help_text, counter in (
            ("requests_received", "Layer 2 requests received for addresses announced here", self.received),
            ("responses_sent", "Layer 2 responses sent for them", self.answered),
            ("gratuitous_sent", "Layer 2 announcements sent without a request", self.gratuitous),
        ):
            # MetalLB's counters lack the _total that prometheus_client gives to every counter.
            family = UnknownMetricFamily(f"metallb_layer2_{name}", help_text, labels=["ip"])
            for address, count in counter.copy().items():
                family.add_metric([address], count)
            yield family

    def _announced(self) -> "Metric":
        from prometheus_client.core import GaugeMetricFamily

        labels = ["protocol", "service", "node", "ip"]
        family = GaugeMetricFamily("metallb_speaker_announced", "Addresses announced from this node", labels=labels)
        fresh = self.fresh()
        for each in sorted(each for each in self.told if fresh or each.protocol != "layer2"):
            family.add_metric([each.protocol, each.service, self.node, each.address], 1)
        return family

    def _doubts(self) -> "Metric":
        from prometheus_client.core import GaugeMetricFamily

        help_text = "1 for each reason that may keep clients from addresses answered for here; ip is empty for all"
        family = GaugeMetricFamily("portway_announcement_doubts", help_text, labels=["code", "node", "ip"])
        for code, address in sorted({(doubt.code, doubt.address) for doubt in self.doubts}):
            family.add_metric([code, self.node, address], 1)
        return family

    def _bgp(self) -> Iterator["Metric"]:
        from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily

        start, labels = "metallb_bgp_", ["peer"]
        up = GaugeMetricFamily(f"{start}session_up", "BGP session state (1 is up, 0 is down)", labels=labels)
        prefixes = GaugeMetricFamily(f"{start}announced_prefixes_total", "Prefixes told in the session", labels=labels)
        pending = GaugeMetricFamily(f"{start}pending_prefixes_total", "Prefixes that are to be told", labels=labels)
        updates = CounterMetricFamily(f"{start}updates", "BGP UPDATE messages sent", labels=labels)
        for peer, count in self.prefixes.items():
            address = peer.rpartition(":")[0]
            is_up = address in self.up
            up.add_metric([peer], is_up)
            prefixes.add_metric([peer], count * is_up)
            pending.add_metric([peer], count)
            updates.add_metric([peer], self.bgp_updates[address])
        refused = GaugeMetricFamily(
            "portway_bgp_peer_refused", "BGPPeers that ask for what cannot be had here", labels=["peer", "reason"]
        )
        for peer, reason in self.refused:
            refused.add_metric([peer, reason], 1)
        yield from (up, prefixes, pending, updates, refused)

    def _client(self) -> Iterator["Metric"]:
        from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily

        start = "metallb_k8s_client_"
        yield CounterMetricFamily(f"{start}updates", "Rounds after changes of objects", self.rounds)
        yield CounterMetricFamily(f"{start}update_errors", "Rounds that failed", self.failures)
        yield GaugeMetricFamily(f"{start}config_loaded_bool", "1 once all objects were seen", self.loaded)
        yield GaugeMetricFamily(f"{start}config_stale_bool", "1 if what is known may be old", self.stale)
