"""Which tests stay together when several workers run them."""

import pytest

from tests.conftest import group


@pytest.mark.parametrize(
    ("nodeid", "together"),
    [
        ("tests/unit/test_a.py::test_b", "tests/unit/test_a.py"),
        ("tests/unit/test_a.py::test_b[10.0.0.1-TCP]", "tests/unit/test_a.py"),
        ("tests/e2e/test_a.py::test_b[root]", "tests/e2e/test_a.py root"),
        ("tests/e2e/test_a.py::test_b[web-ordinary-80]", "tests/e2e/test_a.py ordinary"),
        ("tests/contract/test_a.py::test_b[as we are-IPv4-UDP]", "tests/contract/test_a.py as we are"),
        ("tests/gateway/test_a.py::TestC::test_b[haproxy]", "tests/gateway/test_a.py haproxy"),
    ],
)
def test_groups(nodeid: str, together: str) -> None:
    assert group(nodeid) == together
