"""Where a guarded connection may lead, and that it ends."""

from __future__ import annotations

import socket
import threading

import pytest

from exchange.connectors.channels import PushOptions, open_push
from exchange.connectors.endpoints import check_endpoint, refuse_address
from exchange.model.errors import ContentError, PartnerUnavailable
from tests.delivery.receiver import Receiver


@pytest.fixture
def inbox():
    made = Receiver()
    yield made
    made.stop()


def test_a_name_that_leads_inside_only_when_it_is_connected_to_gets_no_byte(inbox, monkeypatch):
    """Between the look-up and the connection a name's address may be changed: only the second counts."""
    there = ("127.0.0.1", int(inbox.url.rsplit(":", 1)[1].split("/")[0]))
    found = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", there)]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: found)
    url = inbox.url.replace("127.0.0.1", "inbox.example")
    with (
        open_push("clinic", PushOptions(url=url), named_by_client=True) as push,
        pytest.raises(PartnerUnavailable, match="network of our own"),
    ):
        push.post(b"{}", {})
    with open_push("clinic", PushOptions(url=url)) as push:  # an operator's word
        assert push.post(b"{}", {}).status == 200
    assert len(inbox.got) == 1


def test_no_proxy_does_the_looking_up(inbox, monkeypatch):
    monkeypatch.setenv("HTTP_PROXY", inbox.url)
    monkeypatch.setenv("http_proxy", inbox.url)
    with (
        open_push("clinic", PushOptions(url="http://inbox.invalid/"), named_by_client=True) as push,
        pytest.raises(PartnerUnavailable, match="could not be reached"),
    ):
        push.post(b"{}", {})
    assert inbox.got == []


def test_a_redirect_is_an_answer_and_no_way(inbox):
    inbox.answers[0] = lambda _: (307, b"", {"Location": "http://169.254.169.254/latest/"})
    with open_push("clinic", PushOptions(url=inbox.url), named_by_client=True) as push:
        assert [push.post(b"{}", {}).status for _ in range(2)] == [307, 307]


@pytest.mark.parametrize(
    "start",
    [
        b"HTTP/1.1 200 OK\r\nX: ",
        b"HTTP/1.1 200 OK\r\nContent-Length: 60000\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n",  # ended, it looks like a whole answer
    ],
)
def test_an_answer_that_drips_ends_and_is_none(start):
    with socket.create_server(("127.0.0.1", 0)) as listening:
        threading.Thread(target=_drip, args=(listening, start), daemon=True).start()
        url = f"http://127.0.0.1:{listening.getsockname()[1]}/"
        with (
            open_push("clinic", PushOptions(url=url, longest_seconds=0.2)) as push,
            pytest.raises(PartnerUnavailable, match=r"in time|broke off|could not be reached"),
        ):
            push.post(b"{}", {})


def _drip(listening: socket.socket, start: bytes) -> None:
    connection, _ = listening.accept()
    with connection:
        connection.recv(65_536)
        try:
            connection.sendall(start)
            while True:
                connection.sendall(b" ")
                threading.Event().wait(0.02)
        except OSError:
            return


def test_many_answers_in_time_are_each_given_their_own(inbox):
    with open_push("clinic", PushOptions(url=inbox.url, longest_seconds=0.3)) as push:
        for _ in range(4):
            assert push.post(b"{}", {}).status == 200
            threading.Event().wait(0.12)


@pytest.mark.parametrize(
    "address",
    ["127.0.0.1", "10.1.2.3", "169.254.169.254", "100.64.0.1", "224.0.0.1", "0.0.0.0", "::1", "::",
     "fe80::1%eth0", "fd00::1", "::ffff:192.168.0.1", "::192.168.0.1", "64:ff9b::7f00:1",
     "2002:c0a8:1::1", "2001:db8::1"],
)  # fmt: skip
def test_an_address_that_is_not_everybodys_is_refused(address):
    with pytest.raises(PartnerUnavailable, match="network of our own"):
        refuse_address(address)


@pytest.mark.parametrize("address", ["9.9.9.9", "2620:fe::fe", "::ffff:9.9.9.9", "64:ff9b::909:909"])
def test_everybodys_address_is_not_refused(address):
    refuse_address(address)


@pytest.mark.parametrize(
    "url",
    ["https://[::ffff:10.0.0.1]/", "https://[64:ff9b::a00:1]/", "https://user@inbox.example/", "https://:p@x.example/",
     "https://inbox.example:0/", "https://inbox.example:99999/", "https://127.0.0.1/", "http://inbox.example/",
     "https://inbox.example/#there", "https://", "https://[::1", "https://${SECRET}.example/"],
)  # fmt: skip
def test_an_endpoint_that_may_not_be_posted_to_is_refused_by_name(url):
    with pytest.raises(ContentError, match=r"must be https|network of our own"):
        check_endpoint(url, on_this_machine=False)
