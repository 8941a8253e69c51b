"""What is said when the system forbids namespaces."""

import errno
import os

import pytest

from portway.fleet.permission import why_forbidden


def _refused(number: int) -> OSError:
    return OSError(number, os.strerror(number), "unshare")


@pytest.mark.parametrize(
    ("settings", "command"),
    [
        ({"user.max_user_namespaces": "0"}, "sudo sysctl -w user.max_user_namespaces=15000"),
        ({"kernel.unprivileged_userns_clone": "0"}, "sudo sysctl -w kernel.unprivileged_userns_clone=1"),
        (
            {"kernel.apparmor_restrict_unprivileged_userns": "1"},
            "sudo sysctl -w kernel.apparmor_restrict_unprivileged_userns=0",
        ),
    ],
)
def test_the_guilty_setting_is_named_with_its_cure(settings: dict[str, str], command: str) -> None:
    text = why_forbidden(_refused(errno.EPERM), settings | {"user.max_net_namespaces": "100"})
    assert command in text
    assert next(iter(settings)) in text
    assert "max_net_namespaces" not in text


def test_without_a_guilty_setting_it_is_a_container() -> None:
    assert "--privileged" in why_forbidden(_refused(errno.EPERM), {"user.max_user_namespaces": "100"})


def test_too_many() -> None:
    assert "too many are in use" in why_forbidden(_refused(errno.ENOSPC), {})
