"""resolv.conf as kubelet reads and writes it."""

import pytest

from portway.dns.resolvconf import ResolvConf, added, read, written


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("", ResolvConf()),
        ("nameserver 10.0.0.1\nnameserver fe80::1%eth0\n", ResolvConf(("10.0.0.1", "fe80::1%eth0"))),
        ("search a.example b.example.\nsearch c.example .\n", ResolvConf(searches=("c.example",))),
        ("domain corp.example", ResolvConf(searches=("corp.example",))),
        ("options ndots:2 rotate\noptions ndots:5", ResolvConf(options=("ndots:5", "rotate"))),
        ("# nameserver 1.1.1.1\n; search x\n  nameserver\t10.0.0.2 # ours\nnonsense\nnameserver\n",
         ResolvConf(("10.0.0.2",))),
    ],
)  # fmt: skip
def test_read(text: str, wanted: ResolvConf) -> None:
    assert read(text) == wanted


def test_what_is_written_reads_the_same() -> None:
    conf = ResolvConf(("10.96.0.10",), ("shop.svc.cluster.local", "svc.cluster.local"), ("ndots:5", "edns0"))
    assert read(written(conf)) == conf
    assert written(conf).splitlines()[-1] == "options ndots:5 edns0"


def test_added_says_nothing_twice_and_the_later_option_counts() -> None:
    base = ResolvConf(("10.0.0.1",), ("a", "b"), ("ndots:5", "rotate"))
    more = ResolvConf(("10.0.0.1", "10.0.0.2"), ("b", "c"), ("ndots:2", "timeout:1"))
    assert added(base, more) == ResolvConf(
        ("10.0.0.1", "10.0.0.2"), ("a", "b", "c"), ("ndots:2", "rotate", "timeout:1")
    )
