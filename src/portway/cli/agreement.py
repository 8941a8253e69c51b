"""Whether real packets met what a trace says, and how many it takes to tell.

Where policies let some of a Service's backends be reached and not others, one packet tells little: silence may be the
draw of a denied one, or a fault. So as many are sent as draw every backend but for one time in a million.
"""

import math
from typing import Any

from portway.analysis.policy import Judged
from portway.analysis.trace import Trace

_MOST = 500


def tries(found: Trace) -> int:
    """How many packets tell whether the trace is right."""
    count = len(found.judged)
    if len({_fate(found, fate) for fate in found.judged}) < 2:
        return 1
    least = min(found.shares, default=1 / count)
    return min(_MOST, math.ceil(math.log(count * 1e6) / -math.log(1 - least)))


def _fate(found: Trace, fate: Judged) -> str:
    if not fate.allowed:
        return "denied"
    return "undeclared" if fate.backend in found.undeclared else "answers"


def agreement(found: Trace, fact: dict[str, Any]) -> bool:
    """Whether the packets met what the trace says: an answer from a candidate, a refusal, or silence.

    Where a pod declares no such port, its own refusal agrees too: nothing has said that something listens. So does
    one where a share of the connections is refused.
    """
    if fact.get("tries", 1) > 1:
        return _draws_agree(found, fact)
    if fact["outcome"] == "answered":
        return found.arrives and _by_a_candidate(found, fact.get("reply", {}))
    if found.disposition == "drop":
        return fact["outcome"] in ("silent", "not permitted")
    if found.arrives:
        refused = ("refused", "unreachable", "not permitted") if found.refused else ("refused",)
        return bool(fact["outcome"] in refused and (found.undeclared or found.refused))
    return fact["outcome"] in ("refused", "unreachable", "not permitted") or found.disposition == "pass"


def _allowed(found: Trace) -> set[str]:
    return {backend.target for backend in found.reached}


def _by_a_candidate(found: Trace, reply: dict[str, Any]) -> bool:
    """A process pod answers in its own words: then any answer will do."""
    names = _allowed(found)
    return "pod" not in reply or not names or reply["pod"] in names


def _draws_agree(found: Trace, fact: dict[str, Any]) -> bool:
    """Those that may be reached answer, all of them and nobody else, and what the others draw stays silent. A Service
    that remembers its clients draws once. Pods that do not declare the port may answer or refuse.
    """
    answered, silent, refused = set(fact["answered"]), fact["silent"], fact.get("refused", 0)
    if answered - _allowed(found) - {""} or fact["tries"] != silent + refused + sum(fact["answered"].values()):
        return False
    unsure = {backend.target for backend in found.undeclared}
    if refused and not unsure and not found.refused:
        return False
    if found.sticky and not found.refused:
        return len(answered) + bool(silent) + bool(refused) == 1
    denied = any(not fate.allowed for fate in found.judged)
    every = "" in answered or answered | unsure == _allowed(found) or fact["tries"] == _MOST
    return bool(silent) == denied and bool(every) and bool(answered or refused)
