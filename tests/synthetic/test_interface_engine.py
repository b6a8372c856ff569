"""The hospital's engine: one message at a time, and none is lost when the listener is not."""

import asyncio

import pytest

from exchange.synthetic.servers.mllp import Engine

END = b"\x1c\r"


def write(folder, name, controls):
    frames = [f"\x0bMSH|^~\\&|A|B|C|D|20261103||ADT^A31|{control}|P|2.5.1\r\x1c\r" for control in controls]
    (folder / name).write_text("".join(frames), newline="")


class Listener:
    """Answers as told: codes in turn, "drop" to hang up without a word; afterwards always AA."""

    def __init__(self, *answers):
        self.answers, self.received = list(answers), []

    async def talk(self, reader, writer):
        try:
            while frame := await reader.readuntil(END):
                control = frame.split(b"|")[9]
                self.received.append(control.decode())
                code = self.answers.pop(0) if self.answers else "AA"
                if code == "drop":
                    break
                writer.write(
                    b"\x0bMSH|^~\\&|C|D|A|B|20261103||ACK|1|P|2.5.1\rMSA|"
                    + code.encode()
                    + b"|"
                    + control
                    + b"\r"
                    + END
                )
        except asyncio.IncompleteReadError:
            pass
        writer.close()


def deliver(folder, listener):
    """Run an engine over the folder until nothing is waiting."""

    async def run():
        server = await asyncio.start_server(listener.talk, "127.0.0.1", 0)
        engine = Engine(folder, "127.0.0.1", server.sockets[0].getsockname()[1])
        sending = asyncio.create_task(engine.run())
        async with asyncio.timeout(15):
            while engine.waiting():
                await asyncio.sleep(0.01)
        sending.cancel()
        await asyncio.gather(sending, return_exceptions=True)
        server.close()
        return engine

    return asyncio.run(run())


def test_messages_arrive_in_order_across_files(tmp_path):
    write(tmp_path, "messages_1.mllp", ["A", "B"])
    write(tmp_path, "messages_2.mllp", ["C"])
    listener = Listener()

    engine = deliver(tmp_path, listener)

    assert (listener.received, engine.sent) == (["A", "B", "C"], 3)


@pytest.mark.parametrize("answer", ["AE", "drop"])
def test_a_message_is_sent_again_until_it_is_accepted(tmp_path, answer):
    write(tmp_path, "messages_1.mllp", ["A", "B"])
    listener = Listener("AA", answer, answer)

    engine = deliver(tmp_path, listener)

    assert listener.received == ["A", "B", "B", "B"]
    assert (engine.sent, engine.refused) == (2, 0)


def test_a_rejected_message_is_left_to_a_person_and_the_next_one_goes_on(tmp_path):
    write(tmp_path, "messages_1.mllp", ["A", "B"])
    listener = Listener("AR")

    engine = deliver(tmp_path, listener)

    assert listener.received == ["A", "B"]
    assert (engine.sent, engine.refused) == (1, 1)


def test_after_a_restart_only_new_messages_are_sent(tmp_path):
    write(tmp_path, "messages_1.mllp", ["A", "B"])
    deliver(tmp_path, Listener())
    write(tmp_path, "messages_2.mllp", ["C"])
    listener = Listener()

    deliver(tmp_path, listener)

    assert listener.received == ["C"]
