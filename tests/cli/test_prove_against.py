"""Another FHIR server as `exchange prove non-interference --against` asks it."""

import socket
from contextlib import contextmanager
from threading import Thread

import pytest

from exchange.app.prove.asking import Request
from exchange.cli.prove.side import opened
from exchange.model.errors import PartnerUnavailable

ANSWER = b"HTTP/1.1 200 OK\r\nContent-Type: application/fhir+json\r\nContent-Length: 2\r\n\r\n{}"


@contextmanager
def server(connections):
    """Gives one answer on each of so many connections and closes it without a word, as after a long rest."""
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def answer():
            for _ in range(connections):
                taken, _ = listening.accept()
                with taken:
                    taken.recv(65536)
                    taken.sendall(ANSWER)
            listening.close()

        thread = Thread(target=answer)
        thread.start()
        yield f"http://127.0.0.1:{listening.getsockname()[1]}/fhir"
        thread.join()


def test_a_connection_that_the_server_had_closed_is_opened_again():
    with server(3) as url, opened(url, lambda: "token") as side:
        told = [side.ask(Request("GET", "metadata")) for _ in range(3)]
    assert [answer.status for (answer,) in told] == [200] * 3


def test_a_server_that_is_gone_is_told():
    with server(1) as url, opened(url, lambda: "token") as side:
        side.ask(Request("GET", "metadata"))
        with pytest.raises(PartnerUnavailable):
            side.ask(Request("GET", "metadata"))
