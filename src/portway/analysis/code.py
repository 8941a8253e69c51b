"""What is known of a code that a person may read somewhere."""

from msgspec import Struct


class Code(Struct, frozen=True):
    """One code."""

    kind: str
    """Where it is met: "reason" of packets and requests, "assumption", "decision" of policies, "finding" of lint about
    suppressions, "mark" of an audit, "change" of a diff."""
    meaning: str
    """A line without a full stop."""
    check: str = ""
    """A command that shows it."""
    fix: str = ""
    rule: str = ""

    @property
    def sections(self) -> tuple[tuple[str, str], ...]:
        """What there is to say beyond the meaning."""
        return (("check", self.check), ("fix", self.fix), ("rule", self.rule))
