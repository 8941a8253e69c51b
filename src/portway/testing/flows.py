"""Packet tables: rows of packets and what should become of them, and one `check` that says what differs.

A row reads like kube-proxy's own tables: who sends what where, and the outcome as text: every candidate backend
("10.0.1.2:80, 10.0.1.3:80", sorted), REJECT, DROP, or "" for a packet that is left alone. Any witness can be
checked: `lookup`, a tracer over compiled rules, or a real kernel; each is a function from Packet to Outcome.
"""

from collections.abc import Callable, Iterable

from msgspec import Struct

from portway.model import Disposition, Packet, Protocol, Verdict


class Flow(Struct, frozen=True):
    """One row: a packet and its expected outcome."""

    name: str
    source: str
    destination: str
    port: int
    output: str
    masquerade: bool | None = None
    """None: not checked."""
    protocol: Protocol = "TCP"
    interface: str = ""

    @property
    def packet(self) -> Packet:
        """The question of this row."""
        return Packet(self.source, self.destination, self.protocol, self.port, self.interface)


class Outcome(Struct, frozen=True):
    """What became of a packet, in a row's words."""

    output: str
    masquerade: bool | None = None
    """None: this witness could not see it."""
    because: str = ""
    """What matched, for the message of a failure."""

    def fits(self, flow: Flow) -> bool:
        """Whether this is what the row expects, as far as both can tell."""
        masquerade_fits = None in (self.masquerade, flow.masquerade) or self.masquerade == flow.masquerade
        return self.output == flow.output and masquerade_fits


Witness = Callable[[Packet], Outcome]


def outcome_of(verdict: Verdict) -> Outcome:
    """A verdict in a row's words. Masquerade counts hairpin when every candidate is the client itself."""
    because = f"{verdict.reason.value} at {verdict.frontend or 'no frontend'} of {verdict.service_port or 'no Service'}"
    if verdict.disposition is Disposition.FORWARD:
        output = ", ".join(sorted(str(b) for b in verdict.backends))
        return Outcome(output, verdict.masquerade or verdict.hairpin == verdict.backends, because)
    output = {Disposition.REJECT: "REJECT", Disposition.DROP: "DROP"}.get(verdict.disposition, "")
    return Outcome(output, verdict.masquerade, because)


def check(flows: Iterable[Flow], witness: Witness) -> int:
    """Asks the witness about every row; returns how many. Raises AssertionError listing each row that differs."""
    rows = list(flows)
    answers = [(flow, witness(flow.packet)) for flow in rows]
    wrong = [_difference(flow, answer) for flow, answer in answers if not answer.fits(flow)]
    if wrong:
        raise AssertionError(f"{len(wrong)} of {len(rows)} flows differ:\n" + "\n".join(wrong))
    return len(rows)


def _difference(flow: Flow, answer: Outcome) -> str:
    packet = f"{flow.source} → {flow.destination}:{flow.port}/{flow.protocol}"
    wanted, got = _said(flow.output, flow.masquerade), _said(answer.output, answer.masquerade)
    return f"- {flow.name or 'packet'}: {packet}\n    wanted {wanted}\n    got    {got}\n    {answer.because}"


def _said(output: str, masquerade: bool | None) -> str:
    how = {None: "", True: ", masqueraded", False: ", source kept"}[masquerade]
    return f"{output or '(left alone)'}{how}"
