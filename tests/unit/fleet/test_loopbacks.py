"""Which 127.x.y a fleet has on its host."""

import threading

from portway.fleet import state


def test_a_name_has_always_the_same_one() -> None:
    prefix, claim = state.claimed_loopback("loopbacks-of-a-test", set())
    claim.close()
    again, claim = state.claimed_loopback("loopbacks-of-a-test", set())
    claim.close()
    assert prefix == again


def test_fleets_of_one_name_that_start_together_share_none() -> None:
    """Two users may each have a fleet of that name; neither listens at anything yet when the other looks."""
    found = []
    both = threading.Barrier(2)

    def start() -> None:
        both.wait(60)
        found.append(state.claimed_loopback("loopbacks-of-a-test", set()))

    threads = [threading.Thread(target=start) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    (one, claim), (other, another) = found
    claim.close()
    another.close()
    assert one != other


def test_what_another_fleet_has_is_left_to_it() -> None:
    prefix, claim = state.claimed_loopback("loopbacks-of-a-test", set())
    claim.close()
    other, claim = state.claimed_loopback("loopbacks-of-a-test", {prefix})
    claim.close()
    assert other != prefix
