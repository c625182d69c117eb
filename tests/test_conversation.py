"""Conversations: lines from somewhere, a module, and what is shown; on the twin, in this process."""

from __future__ import annotations

import dataclasses
import json
import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

import fcm360w
from fcm360w.cli.conversation import Conversation, Input, Wanted
from fcm360w.cli.transcript import Screen, Transcript, printable, said
from fcm360w.commands import tcp
from fcm360w.errors import CommandError, PeerClosed, TransportLost, UsageError
from fcm360w.events import Lost, Overlong, Stray, Unparsed
from fcm360w.module import Module
from fcm360w.sim import AccessPoint, Twin
from fcm360w.sim.dialect import MANUAL
from peers import Peer
from wired import PATIENCE, QUICK

SECRET = "open sesame"
HASTY = dataclasses.replace(MANUAL, guard=0.02, join_delay=0.001)
PROMPT = QUICK._replace(answer=0.3)
Asked = str | Callable[[], object] | BaseException


class Recorded(Transcript):
    """Keeps what would be shown, and lets a test wait for it."""

    def __init__(self) -> None:
        super().__init__()
        self.shown = bytearray()
        self.notes: list[str] = []
        self.grown = threading.Condition()

    def _print(self, data: bytes) -> None:
        with self.grown:
            self.shown += data
            self.grown.notify_all()

    def note(self, text: str) -> None:
        self.notes.append(text)

    def until(self, text: bytes) -> Callable[[], object]:
        """A step of a conversation: wait until something has been shown."""

        def wait() -> None:
            with self.grown:
                assert self.grown.wait_for(lambda: text in self.shown, PATIENCE), bytes(self.shown)

        return wait


class Talk:
    """A conversation whose lines are listed: each is typed, waited for, or raised."""

    def __init__(self, module: Module, **more: Any) -> None:
        self.transcript = Recorded()
        self.asked: list[Wanted] = []
        self._lines: list[Asked] = []
        self.conversation = Conversation(module, self.transcript, self._ask, **more)

    def __call__(self, *lines: Asked, wait: float = 0.0) -> bytes:
        self._lines = list(lines)
        self.conversation.run(wait)
        return bytes(self.transcript.shown)

    def _ask(self, wanted: Wanted) -> str:
        self.asked.append(wanted)
        while self._lines:
            line = self._lines.pop(0)
            if isinstance(line, BaseException):
                raise line
            if isinstance(line, str):
                return line
            line()
        raise EOFError


@contextmanager
def twin() -> Iterator[Module]:
    """A module that is joined and has no time to lose."""
    with Twin([AccessPoint("hall", SECRET)], dialect=HASTY, name="talk"), fcm360w.open("sim://talk", PROMPT) as module:
        module.wifi.join("hall", SECRET)
        yield module


@pytest.fixture
def module() -> Iterator[Module]:
    with twin() as found:
        yield found


@pytest.fixture
def server() -> Iterator[Peer]:
    with Peer() as found:
        yield found


def opening(server: Peer, access: int, number: int = 3) -> str:
    return f'AT+QIOPEN={number},"TCP","127.0.0.1",{server.port},0,{access}'


# ---- commands


def test_lines_are_run_and_their_answers_shown(module: Module) -> None:
    talk = Talk(module)
    assert talk("AT", "", "  ", "AT+QVERSION;+QISTATE") == b"OK\n+QVERSION: FCM360WAAR01A01\nOK\n"
    assert {wanted.kind for wanted in talk.asked} == {Input.COMMAND}


def test_a_refusal_ends_it(module: Module) -> None:
    talk = Talk(module)
    with pytest.raises(CommandError):
        talk("AT+QNO", "AT")
    assert talk.transcript.shown == b"ERROR\n"


def test_a_forgiving_one_goes_on_after_every_error(module: Module) -> None:
    talk = Talk(module, forgiving=True)
    shown = talk("AT+QNO", "ATO", "AT\tAT", "+++", ".nothing", KeyboardInterrupt(), "AT")
    assert shown == b"ERROR\nNO CARRIER\nOK\n"
    assert [note.partition(":")[0] for note in talk.transcript.notes] == [
        "'AT\\tAT' is not a command line",
        "'+++' is not a command line",
        ".nothing is none of .help, .log, .quit",
        "interrupted",
    ]


def test_what_interrupts_one_that_does_not_forgive(module: Module) -> None:
    with pytest.raises(KeyboardInterrupt):
        Talk(module)(KeyboardInterrupt())


def test_what_comes_unasked_is_shown_when_it_comes(module: Module, server: Peer) -> None:
    talk = Talk(module)
    until = talk.transcript.until
    shown = talk(
        opening(server, access=1),
        lambda: server.next().send(b"hello"),
        until(b'+QIURC: "recv",3,5\nhello\n'),
        "AT+QICLOSE=3",
    )
    assert shown == b'OK\n+QIOPEN: 3,0\n+QIURC: "recv",3,5\nhello\nOK\n'


def test_a_line_that_ends_a_command_late_is_waited_for(module: Module, server: Peer) -> None:
    assert Talk(module)(opening(server, access=0), "AT+QISTATE").startswith(b"OK\n+QIOPEN: 3,0\n+QISTATE: 3,")


def test_a_line_that_ends_a_command_late_may_be_an_error(module: Module) -> None:
    with Peer() as gone:
        pass
    talk = Talk(module)
    with pytest.raises(CommandError, match=r"AT\+QIOPEN=3.*\+QIOPEN: 3,564, Socket connect failed \(manual 2\.3\.2\)"):
        talk(opening(gone, access=0), "AT")
    assert talk.transcript.shown == b"OK\n+QIOPEN: 3,564\n"


def test_the_loss_of_the_module_is_told() -> None:
    with Twin(dialect=HASTY, name="lost") as twin:
        module = fcm360w.open("sim://lost", PROMPT)
        talk = Talk(module, forgiving=True)
        changed = threading.Event()
        talk.conversation.changed = changed.set
        with pytest.raises(TransportLost):
            talk("AT", twin.stop, lambda: changed.wait(PATIENCE), "AT")
        assert talk.conversation.lost
        module.close()


# ---- payload at a prompt


@pytest.mark.parametrize(("size", "line"), [(5, "AT+QISEND=3,5"), (None, "AT+QISEND=3")])
def test_a_payload_is_the_next_line(module: Module, server: Peer, size: int | None, line: str) -> None:
    talk = Talk(module)
    assert talk(opening(server, access=0), line, "hello").endswith(b"SEND OK\n")
    assert server.next().wait_for(5) == b"hello"
    assert talk.asked[2] == Wanted(Input.PAYLOAD, size)


def test_a_payload_of_another_size_is_not_sent(module: Module, server: Peer) -> None:
    talk = Talk(module)
    with pytest.raises(UsageError, match="5 bytes are wanted, not 4; nothing was sent"):
        talk(opening(server, access=0), "AT+QISEND=3,5", "hell")
    assert not talk.transcript.shown.endswith(b"OK\nERROR\n")


def test_a_forgiving_one_asks_again_for_a_payload(module: Module, server: Peer) -> None:
    talk = Talk(module, forgiving=True)
    wait = talk.transcript.until(b"+QIOPEN: 3,0\n")
    shown = talk(
        opening(server, access=0),
        wait,
        "AT+QISEND=3,5",
        "hell",
        "hellö",
        "hello",
        "AT+QISEND=3,5",
        KeyboardInterrupt(),
        "AT",
    )
    assert shown == b"OK\n+QIOPEN: 3,0\nSEND OK\nOK\n"
    assert server.next().wait_for(5) == b"hello"
    assert talk.transcript.notes == [
        "5 bytes are wanted, not 4; Ctrl-C cancels",
        "5 bytes are wanted, not 6; Ctrl-C cancels",
        "interrupted",
    ]


def test_hexadecimal_payload_is_framed_as_the_module_counts_it(module: Module, server: Peer) -> None:
    talk = Talk(module)
    until = talk.transcript.until
    send = lambda: server.next().send(b"OK")  # noqa: E731
    lines = ('AT+QICFG="dataformat",1,1', opening(server, access=1), send, until(b"4F4B\n"), "AT+QISEND=3,4", "6869")
    assert talk(*lines).endswith(b'+QIURC: "recv",3,2\n4F4B\nSEND OK\n')


# ---- data mode


def test_data_mode_is_entered_and_left_and_entered_again(module: Module, server: Peer) -> None:
    talk = Talk(module)
    until = talk.transcript.until

    def answer() -> None:
        client = server.next()
        assert client.wait_for(14) == b"hello\r\n.help\r\n"
        client.send(b"wor")
        client.send(b"ld")

    shown = talk(
        *(opening(server, access=2), "hello", ".help", answer, until(b"world"), "+++", "AT+QVERSION"),
        *("ATO", "again", "+++"),
    )
    assert shown == b"CONNECT\nworld\nOK\n+QVERSION: FCM360WAAR01A01\nOK\nCONNECT\nOK\n"
    kinds = [wanted.kind for wanted in talk.asked]
    assert kinds == [Input.COMMAND, *[Input.DATA] * 3, *[Input.COMMAND] * 2, *[Input.DATA] * 2, Input.COMMAND]
    assert [info.connect_id for info in module.run(tcp.ListSockets())] == [3]


def test_the_end_of_the_input_leaves_data_mode(module: Module, server: Peer) -> None:
    assert Talk(module)(opening(server, access=2), "hello") == b"CONNECT\nOK\n"
    assert server.next().wait_for(7) == b"hello\r\n"
    assert [info.connect_id for info in module.run(tcp.ListSockets())] == [3]


def test_lines_after_the_peer_has_closed_are_not_sent(module: Module, server: Peer) -> None:
    talk = Talk(module)
    until = talk.transcript.until
    closed = until(b'+QIURC: "closed",3\n')
    with pytest.raises(PeerClosed):
        talk(opening(server, access=2), lambda: server.next().close(), until(b"NO CARRIER"), closed, "AT+QISTATE")
    assert b"+QISTATE" not in talk.transcript.shown


def test_a_forgiving_one_returns_to_commands_when_the_peer_closes(module: Module, server: Peer) -> None:
    talk = Talk(module, forgiving=True)
    ended = threading.Event()
    talk.conversation.changed = ended.set
    talk(opening(server, access=2), lambda: server.next().close(), lambda: ended.wait(PATIENCE), "x", "", "AT+QISTATE")
    assert [wanted.kind for wanted in talk.asked] == [Input.COMMAND, Input.DATA, *[Input.COMMAND] * 3]
    assert talk.transcript.notes == ["data mode has ended; the line was not sent"]
    assert b'+QISTATE: 3,"TCP"' in talk.transcript.shown


def test_a_module_that_restarts_in_data_mode_is_told(server: Peer) -> None:
    with Twin(dialect=HASTY, name="restart") as twin, fcm360w.open("sim://restart", PROMPT) as module:
        module.wifi.join("hall", SECRET)
        talk = Talk(module, forgiving=True)
        ended = threading.Event()
        talk.conversation.changed = ended.set
        shown = talk(opening(server, access=2), twin.power_cycle, lambda: ended.wait(PATIENCE), "x", "AT")
    assert b"OK\n" in shown.partition(b"CONNECT\n")[2]
    assert re.search(rb"CONNECT\n(\(.*\)|NO CARRIER|ready)\n", shown)


# ---- transcripts


def test_a_log_is_kept_without_secrets(module: Module, tmp_path: Path) -> None:
    path = tmp_path / "log"
    talk = Talk(module)
    lines = [f".log {path}", f'AT+QSTAAPINFO="hall","{SECRET}"', "AT+QVERSION", ".log", "AT+QISTATE", ".quit", "AT+QNO"]
    talk(*lines)
    kept = [line.partition(" ") for line in path.read_text().splitlines()]
    assert all(len(stamp) == len("12:34:56.789") for stamp, _, _ in kept)
    told = [text for _, _, text in kept if "QSTASTAT" not in text]
    assert told == [
        '> AT+QSTAAPINFO="hall","***"',
        "< OK",
        "> AT+QVERSION",
        "< +QVERSION: FCM360WAAR01A01",
        "< OK",
    ]


def test_a_log_that_cannot_be_written(module: Module, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"cannot write .*: Is a directory"):
        Talk(module)(f".log {tmp_path}")


def test_help_names_what_can_be_typed(module: Module) -> None:
    talk = Talk(module)
    talk(".help")
    assert {".help", ".log", ".quit"} <= {note.split()[0] for note in talk.transcript.notes}


@pytest.mark.parametrize(
    ("row", "texts"),
    [
        (tcp.Closed(3), [b'+QIURC: "closed",3']),
        (tcp.Closed(3).saying("+QIURC:closed,3"), [b"+QIURC:closed,3"]),
        (tcp.Closed(99), [b"Closed(connect_id=99)"]),
        (tcp.Received(3, b"\xff"), [b'+QIURC: "recv",3,1', b"\xff"]),
        (tcp.Received(3), [b'+QIURC: "recv",3']),
        (Unparsed('+QNEWS: "a"'), [b'+QNEWS: "a"']),
        (Unparsed("\udcff"), [b"\xff"]),
        (Overlong(4000), [b"(a line of 4000 bytes)"]),
        (Stray(b"rest"), [b"rest"]),
        (Lost(OSError()), []),
    ],
    ids=lambda value: type(value).__name__,
)
def test_lines_that_nobody_asked_for(row: Any, texts: list[bytes]) -> None:
    assert said(row) == texts


def test_nothing_steers_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    assert printable(b"\x1b[2J\x07\xff\r\n\xc3\xb6\r") == "\\x1b[2J\\x07\\xff\nö\\r"
    screen = Screen(stamped=False)
    screen.unasked(Unparsed("\x1b[31m"))
    assert capsys.readouterr().out == "\\x1b[31m\n"


def test_a_line_that_comes_in_pieces_is_one_line_end(capsys: pytest.CaptureFixture[str]) -> None:
    screen = Screen(stamped=False)
    for piece in (b"one", b"\r\n", b"two\r", b"\n", b"three\r\nfour\r\n", b"\r\n"):
        screen.payload(piece)
    assert capsys.readouterr().out == "one\ntwo\nthree\nfour\n\n"


def test_lines_have_their_time(capsys: pytest.CaptureFixture[str]) -> None:
    Screen(stamped=True).unasked(tcp.Closed(3))
    stamp, _, text = capsys.readouterr().out.partition(" ")
    assert len(stamp) == len("12:34:56.789")
    assert text == '+QIURC: "closed",3\n'


def test_a_payload_that_ends_within_a_line_is_ended_before_the_result(module: Module) -> None:
    transcript = Recorded()
    transcript.payload(b"rest")
    transcript.left("OK")
    assert transcript.shown == b"rest\nOK\n"


def test_json_has_all_of_it(module: Module, capsys: pytest.CaptureFixture[str]) -> None:
    with Transcript(as_json=True) as transcript:
        lines = iter(["AT+QVERSION", "AT+QNO"])
        with pytest.raises(CommandError):
            Conversation(module, transcript, lambda _: next(lines)).run()
        transcript.unasked(tcp.Closed(3))
    assert json.loads(capsys.readouterr().out) == {
        "answers": [
            {"command": "AT+QVERSION", "lines": ["+QVERSION: FCM360WAAR01A01"], "result": "OK"},
            {"command": "AT+QNO", "lines": [], "result": "ERROR"},
        ],
        "unasked": ['+QIURC: "closed",3'],
    }
