"""What is packed or loaded in bulk is what one by one gives."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from portway.forwarding import compute
from portway.model import Backend, ProxyConfig, Snapshot
from portway.nftables import Program
from portway.nftables.datatype import backend_bytes, backend_bytes_many, native, native_many
from portway.nftables.elements import Column
from tests.flows import strategies

_addresses = st.one_of(
    st.lists(st.ip_addresses(v=4).map(str), max_size=20), st.lists(st.ip_addresses(v=6).map(str), max_size=20)
)


@given(addresses=_addresses, ports=st.lists(st.integers(1, 65535), min_size=20, max_size=20))
def test_columns_of_bytes(addresses: list[str], ports: list[int]) -> None:
    backends = [Backend(address, port) for address, port in zip(addresses, ports, strict=False)]
    assert backend_bytes_many(backends) == [backend_bytes(backend) for backend in backends]
    for first in (0, 70000):
        assert list(native_many(first, len(ports))) == [native(first + slot) for slot in range(len(ports))]


@pytest.mark.parametrize("count", [0, 1, 255, 256, 257, 1000])
def test_a_column_s_entries(count: int) -> None:
    column = Column("endpoints4", b"prefix", tuple(Backend(f"10.244.{n // 256}.{n % 256}", 80) for n in range(count)))
    wanted = [(b"prefix" + native(slot), backend_bytes(b)) for slot, b in enumerate(column.backends)]
    assert list(column.entries()) == wanted


@settings(max_examples=30, deadline=None)
@given(snapshot=strategies.clusters(), config=strategies.configs())
def test_a_loaded_program_holds_what_its_updates_would_say(snapshot: Snapshot, config: ProxyConfig) -> None:
    wanted = compute(snapshot, config).contributions
    loaded, updated = Program(config), Program(config)
    loaded.load(wanted)
    transaction = updated.update(wanted)
    assert dict(loaded.ruleset.elements) == dict(updated.ruleset.elements)
    told = {(e.container, e.key): e.value for e in transaction.add}
    held = {(name, key): value for name, some in loaded.ruleset.elements.items() for key, value in some.items()}
    assert told == held
