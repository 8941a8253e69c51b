"""What the kernel of this namespace holds of our table."""

import json
import subprocess

from msgspec import Struct

from portway.agent.nf_tables import NfTables
from portway.nftables.structure import containers


class Held(Struct, frozen=True):
    """Elements by container, names of chains, number of rules."""

    elements: dict[str, dict[bytes, bytes]]
    chains: frozenset[str]
    rules: int


def held() -> Held:
    """Read by our codec; the rules are counted by nft."""
    kernel = NfTables()
    listed = subprocess.run(["nft", "-j", "-t", "list", "table", "inet", "portway"], capture_output=True, check=True)
    rules = sum("rule" in item for item in json.loads(listed.stdout)["nftables"])
    return Held({c.name: kernel.elements(c) for c in containers()}, frozenset(kernel.chains()), rules)
