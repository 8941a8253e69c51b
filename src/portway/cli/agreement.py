"""Whether real packets met what a trace says, and how many it takes to tell.

Where policies let some of a Service's backends be reached and not others, one packet tells little: silence may be the
draw of a denied one, or a fault. So as many are sent as draw every backend but for one time in a million.
"""

import math
from typing import Any

from portway.analysis.trace import Trace

_MOST = 500


def tries(found: Trace) -> int:
    """How many packets tell whether the trace is right."""
    count = len(found.judged)
    if len({fate.allowed for fate in found.judged}) < 2:
        return 1
    return min(_MOST, math.ceil(math.log(count * 1e6) / -math.log(1 - 1 / count)))


def agreement(found: Trace, fact: dict[str, Any]) -> bool:
    """Whether the packets met what the trace says: an answer from a candidate, a refusal, or silence."""
    if fact.get("tries", 1) > 1:
        return _draws_agree(found, fact)
    if fact["outcome"] == "answered":
        return found.arrives and _by_a_candidate(found, fact.get("reply", {}))
    if found.disposition == "drop":
        return bool(fact["outcome"] == "silent")
    if found.arrives:
        return False
    return fact["outcome"] in ("refused", "unreachable") or found.disposition == "pass"


def _allowed(found: Trace) -> set[str]:
    names = {backend.target for backend in found.backends}
    return names - {fate.backend.target for fate in found.judged if not fate.allowed}


def _by_a_candidate(found: Trace, reply: dict[str, Any]) -> bool:
    """A process pod answers in its own words: then any answer will do."""
    names = _allowed(found)
    return "pod" not in reply or not names or reply["pod"] in names


def _draws_agree(found: Trace, fact: dict[str, Any]) -> bool:
    """Those that may be reached answer, all of them and nobody else, and what the others draw stays silent. A Service
    that remembers its clients draws once.
    """
    answered, silent = set(fact["answered"]), fact["silent"]
    if answered - _allowed(found) - {""} or fact["tries"] != silent + sum(fact["answered"].values()):
        return False
    if found.sticky:
        return not silent if len(answered) == 1 else not answered
    every = "" in answered or answered == _allowed(found) or fact["tries"] == _MOST
    return bool(silent and answered and every)
