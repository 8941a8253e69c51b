"""What the kernel's connection tracking says of one flow, and when and how the flow ended."""

from collections.abc import Mapping

from msgspec import Struct

from portway.accesslog.record import End

TCP, UDP, SCTP = 6, 17, 132
SEEN_REPLY, ASSURED, SOURCE_TRANSLATED, TRANSLATED = 0x2, 0x4, 0x10, 0x20
"""Bits of a flow's status (include/uapi/linux/netfilter/nf_conntrack_common.h)."""
TIME_WAIT, CLOSE = 7, 8
"""TCP's states that say: ended by FINs, ended by a RST (nf_conntrack_tcp.h)."""


class Flow(Struct, gc=False):
    """One flow, as a dump or the event of its end tells it. Addresses are packed; times are nanoseconds since 1970."""

    source: bytes
    destination: bytes
    """What the client dialled."""
    protocol: int
    source_port: int
    port: int
    answerer: bytes
    """Who answers: the backend, where the destination was translated."""
    answered: bytes
    """Whom it answers: the client, or the node's address that hides it."""
    answerer_port: int
    identity: int
    """The kernel's number for it, which another flow may get later."""
    status: int
    packets_in: int
    """From the client."""
    bytes_in: int
    packets_out: int
    bytes_out: int
    started: int
    """0 when the kernel does not say (nf_conntrack_timestamp)."""
    stopped: int
    """0 while it is there."""
    remaining: int
    """Whole seconds that it would be kept for without another packet."""
    state: int
    """TCP's; 0 for other protocols."""

    @property
    def over(self) -> bool:
        """Whether both sides have ended it; the kernel keeps it for a while nevertheless."""
        return self.state in (TIME_WAIT, CLOSE) and self.protocol == TCP

    @property
    def never_opened(self) -> bool:
        """A TCP connection that was answered by nothing but a RST."""
        return self.protocol == TCP and self.state == CLOSE and not self.status & SEEN_REPLY

    @property
    def end(self) -> End:
        """How TCP ended; "timeout" also for protocols that say no goodbye."""
        if self.protocol != TCP:
            return "timeout"
        return _ENDS.get(self.state, "timeout")


_ENDS: dict[int, End] = {TIME_WAIT: "fin", CLOSE: "rst"}

TIMEOUTS: Mapping[str, int] = {
    "tcp_timeout_syn_sent": 120,
    "tcp_timeout_syn_recv": 60,
    "tcp_timeout_established": 432000,
    "tcp_timeout_fin_wait": 120,
    "tcp_timeout_close_wait": 60,
    "tcp_timeout_last_ack": 30,
    "tcp_timeout_time_wait": 120,
    "tcp_timeout_close": 10,
    "udp_timeout": 30,
    "udp_timeout_stream": 120,
}
"""Seconds that the kernel keeps a flow for after its last packet, by the name of the sysctl without nf_conntrack_."""
_TCP_STATES = ("", *(name for name in TIMEOUTS if name.startswith("tcp_")))


def last_packet(flow: Flow, timeouts: Mapping[str, int]) -> int:
    """When a flow that is gone had its last packet, in nanoseconds since 1970; exact for one that expired.

    The kernel says when it let go of the flow (as if it had looked at the very moment), so what it waited for is taken
    off. Of a flow that was deleted before that, it says how many whole seconds were left.
    """
    waited = timeouts[_timeout_of(flow)] - flow.remaining if flow.protocol in (TCP, UDP) else 0
    return max(flow.started, flow.stopped - max(0, waited) * 1_000_000_000)


def _timeout_of(flow: Flow) -> str:
    if flow.protocol == TCP:
        return _TCP_STATES[flow.state] if 0 < flow.state < len(_TCP_STATES) else "tcp_timeout_syn_sent"
    return "udp_timeout_stream" if flow.status & ASSURED else "udp_timeout"
