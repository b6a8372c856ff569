"""Another FHIR server as `exchange prove non-interference --against` asks it."""

import socket
from contextlib import contextmanager
from dataclasses import dataclass
from threading import Thread

import orjson
import pytest

from exchange.app.prove.asking import ASYNCHRONOUS, Request
from exchange.app.prove.comparing import Answer
from exchange.cli.prove.servers import compare_servers
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


def told(*entries, **more):
    body = {"resourceType": "Bundle", "entry": list(entries), **more}
    return [Answer(200, (), orjson.dumps(body))]


def entry(key, mode="match"):
    return {"fullUrl": f"{{base}}/Patient/{key}", "search": {"mode": mode}}


@dataclass
class Saying:
    """A server that gives the same answer to everything."""

    answers: list[Answer]

    def ask(self, request):
        return self.answers


@pytest.mark.parametrize(
    ("asked", "places"), [((), ()), ((("_sort", "birthdate"),), ("page 1: body.entry[0].fullUrl",))]
)
def test_an_order_tells_only_where_it_was_asked_for(asked, places):
    one, other = Saying(told(entry("a"), entry("b"))), Saying(told(entry("b"), entry("a")))
    assert compare_servers(one, other, Request("GET", "Patient", asked))[:1] == places


def test_what_goes_along_has_no_order_and_is_compared_all_the_same():
    match, more = entry("a"), [entry("b", "include"), entry("c", "include")]
    one, other = Saying(told(match, *more)), Saying(told(match, *reversed(more)))
    asked = Request("GET", "Patient", (("_sort", "birthdate"),))
    assert compare_servers(one, other, asked) == ()
    assert compare_servers(one, Saying(told(match, more[0])), asked) == (
        "page 1: body.entry: 3 or 2 of them",
    )


def test_the_lines_of_a_file_have_no_order():
    one, other = (
        Saying([Answer(200, (("content-type", "application/fhir+ndjson"),), body)])
        for body in (b'{"id":"1"}\n{"id":"2"}\n', b'{"id":"2"}\n{"id":"1"}\n')
    )
    asked = Request("GET", "$export", headers=(ASYNCHRONOUS,))
    assert compare_servers(one, other, asked) == ()
