"""Asking others: who is asked when, and what happens when they say nothing, nonsense, or too much."""

import asyncio
import socket
from collections.abc import Iterator
from contextlib import AsyncExitStack
from pathlib import Path

import dns.flags
import dns.message
import dns.rcode
import dns.rdatatype
import pytest

from portway.dns import from_text
from portway.dns.respond import Relayed, Wanted
from portway.dns.stubs import Address
from portway.nameserver.hostresolvers import HostResolvers
from portway.nameserver.remembered import Remembered
from portway.nameserver.routes import Routes
from portway.nameserver.upstream import Patience, Upstream
from tests.ports import closed_port
from tests.unit.nameserver.resolver import Say, addressed, answers, resolving, silent

A = Wanted(from_text("www.example.com"), dns.rdatatype.A, edns=False)
QUICK = Patience(one=0.1, all=60.0)
"""For who shall not answer at all; others may be slow on a busy machine."""
LONG = Patience(one=60.0, all=60.0)


def address_in(reply: Relayed | None) -> str:
    """The one address in a response."""
    assert reply is not None
    return str(dns.message.from_wire(reply.packet).answer[0][0])


async def test_the_first_that_answers_is_enough() -> None:
    async with resolving() as first, resolving() as second:
        upstream = Upstream(Routes(lambda: [first.address, second.address]), patience=LONG)
        assert address_in(await upstream.ask(A)) == "192.0.2.1"
        assert (len(first.asked), len(second.asked)) == (1, 0)
        assert upstream.known(A) is not None


@pytest.fixture
def closed() -> Iterator[Address]:
    """Where nobody answers."""
    with closed_port(socket.SOCK_DGRAM) as port:
        yield "127.0.0.1", port


def failing(query: dns.message.Message, _: bool) -> list[bytes]:
    reply = dns.message.make_response(query)
    reply.set_rcode(dns.rcode.SERVFAIL)
    return [reply.to_wire()]


@pytest.mark.parametrize("say", [silent, failing, None])
async def test_who_does_not_answer_is_passed_over_and_asked_last_from_then_on(say: Say | None, closed: Address) -> None:
    async with resolving(say or silent) as bad, resolving() as good:
        servers = [closed if say is None else bad.address, good.address]
        patience = Patience(one=2.0 if say is silent else 60.0, all=120.0, avoided=600.0)
        upstream = Upstream(Routes(lambda: servers), patience=patience)
        assert address_in(await upstream.ask(A)) == "192.0.2.1"
        asked = len(bad.asked)
        other = Wanted(from_text("other.example.com"), dns.rdatatype.A, edns=False)
        assert address_in(await upstream.ask(other)) == "192.0.2.1"
        if say is not failing:
            assert len(bad.asked) == asked


async def test_nobody_answers(closed: Address) -> None:
    async with resolving(silent) as one:
        upstream = Upstream(Routes(lambda: [one.address, closed]), patience=QUICK)
        assert await upstream.ask(A) is None
        assert len(one.asked) == QUICK.rounds
        assert upstream.known(A) is None
    assert await Upstream(Routes(list)).ask(A) is None


async def test_a_lost_datagram_is_asked_again() -> None:
    lost: list[bytes] = []

    def second_time(query: dns.message.Message, tcp: bool) -> list[bytes]:
        lost.append(b"")
        return answers(query, tcp) if len(lost) > 1 else []

    async with resolving(second_time) as one:
        upstream = Upstream(Routes(lambda: [one.address]), patience=Patience(one=0.5, all=60.0, rounds=100))
        assert address_in(await upstream.ask(A)) == "192.0.2.1"


async def test_what_answers_another_question_is_not_taken() -> None:
    """Another id, another name, no message at all; then the true one."""

    def forged(query: dns.message.Message, _: bool) -> list[bytes]:
        wrong_id = addressed(query, "203.0.113.1").to_wire()
        other = dns.message.make_query("www.example.org.", "A", id=query.id)
        packets = [bytes([wrong_id[0] ^ 1]) + wrong_id[1:], addressed(other, "203.0.113.2").to_wire(), b"no message"]
        return [*packets, addressed(query).to_wire()]

    async with resolving(forged) as one:
        assert address_in(await Upstream(Routes(lambda: [one.address]), patience=LONG).ask(A)) == "192.0.2.1"


async def test_more_comes_by_tcp_if_the_client_takes_it() -> None:
    def cut(query: dns.message.Message, tcp: bool) -> list[bytes]:
        reply = addressed(query)
        if not tcp:
            reply.flags |= dns.flags.TC
            reply.answer.clear()
        return [reply.to_wire()]

    async with resolving(cut) as one:
        upstream = Upstream(Routes(lambda: [one.address]), patience=LONG)
        cut_short = await upstream.ask(A)
        assert cut_short is not None and cut_short.truncated
        assert upstream.known(A) is None
        assert address_in(await upstream.ask(A, tcp=True)) == "192.0.2.1"


async def test_one_question_is_under_way_once() -> None:
    """So a resolver that asks us what we ask it gets no second query of ours to answer."""
    async with AsyncExitStack() as stack:
        begun = asyncio.Event()
        one = await stack.enter_async_context(resolving(lambda q, t: begun.set() or []))  # type: ignore[func-returns-value]
        upstream = Upstream(Routes(lambda: [one.address]), patience=Patience(one=1.0, all=60.0, rounds=1))
        asking = asyncio.create_task(upstream.ask(A))
        await begun.wait()
        assert await asyncio.gather(asking, *(upstream.ask(A) for _ in range(50))) == [None] * 51
        assert len(one.asked) == 1


async def test_a_client_that_leaves_takes_nothing_from_others() -> None:
    asked = asyncio.Event()

    def second_time(query: dns.message.Message, tcp: bool) -> list[bytes]:
        first = not asked.is_set()
        asked.set()
        return [] if first else answers(query, tcp)

    async with resolving(second_time) as one:
        upstream = Upstream(Routes(lambda: [one.address]), patience=Patience(one=0.5, all=60.0, rounds=100))
        leaving, staying = asyncio.create_task(upstream.ask(A)), asyncio.create_task(upstream.ask(A))
        await asked.wait()
        leaving.cancel()
        assert address_in(await staying) == "192.0.2.1"


async def test_our_own_doors_are_not_asked() -> None:
    async with resolving() as own, resolving() as other:
        upstream = Upstream(Routes(lambda: [own.address, other.address], [own.address]), LONG)
        await upstream.ask(A)
        assert (len(own.asked), len(other.asked)) == (0, 1)


def test_what_is_remembered_is_bounded_in_number_and_time() -> None:
    remembered = Remembered(most=2)
    wanted = [Wanted((b"%d" % n,), 1, edns=False) for n in range(5)]
    for each in wanted:
        remembered.put(each, Relayed(b"", (), 10), 100.0)
    assert [each for each in wanted if remembered.get(each, 100.0) is None] == wanted[:2]
    assert remembered.get(wanted[4], 109.9) == (Relayed(b"", (), 10), 9)
    assert remembered.get(wanted[4], 110.0) is None
    remembered.put(wanted[0], Relayed(b"x" * 5000, (), 10), 100.0)
    assert remembered.get(wanted[0], 100.0) is None
    remembered.put(wanted[0], Relayed(b"", (), 0), 100.0)
    assert remembered.get(wanted[0], 100.0) is None


def test_the_hosts_resolvers_are_those_of_the_file_as_it_is_now(tmp_path: Path) -> None:
    path = tmp_path / "resolv.conf"
    resolvers = HostResolvers(path)
    assert resolvers.now() == []
    path.write_text("nameserver 192.0.2.53\nnameserver nonsense\nnameserver 2001:db8::53\n")
    assert resolvers.now() == [("192.0.2.53", 53), ("2001:db8::53", 53)]
    path.with_suffix(".new").write_text("".join(f"nameserver 192.0.2.{n}\n" for n in range(5)))
    path.with_suffix(".new").replace(path)
    assert resolvers.now() == [(f"192.0.2.{n}", 53) for n in range(3)]
