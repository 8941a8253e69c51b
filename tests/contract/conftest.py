"""What several modules of contracts stand on."""

from collections.abc import Iterator

import pytest

from portway.testing.netns import Unavailable
from tests.contract.crossing import Crossing, crossing
from tests.flows import strategies


@pytest.fixture(scope="module", params=[None, True], ids=["as we are", "user namespace"])
def node(request: pytest.FixtureRequest) -> Iterator[Crossing]:
    """A node with the addresses of the random clusters' node-1."""
    try:
        with crossing((*strategies.NODE_ADDRESSES, "127.0.0.1", "::1"), request.param) as made:
            yield made
    except Unavailable as reason:
        pytest.skip(f"no network namespaces here: {reason}")
