"""A web server in memory, on h11: its pages are functions, and it takes and sends as fast as the network lets it."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import h11

from fcm360w.sim.memory import MemoryNetwork
from fcm360w.sim.pipes import MemoryPeer

HOST, PORT = "10.0.0.9", 80


@dataclasses.dataclass
class Asked:
    """One request, with all of its body; `header` has names in lower case, the last of each."""

    method: str
    target: str
    header: dict[str, str]
    body: bytes = b""


@dataclasses.dataclass
class Page:
    """What is answered.  `chunked` or neither `announced`: the length is not told beforehand."""

    body: bytes = b""
    status: int = 200
    header: tuple[tuple[str, str], ...] = ()
    chunked: bool = False
    announced: bool = True

    def fields(self) -> list[tuple[str, str]]:
        if self.chunked:
            return [*self.header, ("Transfer-Encoding", "chunked")]
        length = [("Content-Length", str(len(self.body)))] if self.announced else [("Connection", "close")]
        return [*self.header, *length]


Answer = Callable[[Asked], Page]


class MemoryWeb:
    """At 10.0.0.9, port 80, unless it is told otherwise; `asked` has every request."""

    def __init__(self, network: MemoryNetwork, answer: Answer, host: str = HOST, port: int = PORT) -> None:
        self.asked: list[Asked] = []
        self.server = network.serve(host, port, self._meet)
        self._answer = answer

    def _meet(self, peer: MemoryPeer) -> None:
        machine = h11.Connection(h11.SERVER)
        peer.on_data = lambda data: self._take(peer, machine, data)
        peer.on_end = peer.close

    def _take(self, peer: MemoryPeer, machine: h11.Connection, data: bytes) -> None:
        machine.receive_data(data)
        while (event := machine.next_event()) not in (h11.NEED_DATA, h11.PAUSED):
            if isinstance(event, h11.Request):
                header = {name.decode(): value.decode() for name, value in event.headers}
                self.asked.append(Asked(event.method.decode(), event.target.decode(), header))
            elif isinstance(event, h11.Data):
                self.asked[-1].body += bytes(event.data)
            elif isinstance(event, h11.EndOfMessage):
                self._reply(peer, machine, self._answer(self.asked[-1]))

    def _reply(self, peer: MemoryPeer, machine: h11.Connection, page: Page) -> None:
        response = h11.Response(status_code=page.status, headers=page.fields(), reason=b"Said")
        events: list[h11.Event] = [response, h11.Data(data=page.body), h11.EndOfMessage()]
        for event in events:
            peer.send(machine.send(event) or b"")
        if machine.our_state is h11.MUST_CLOSE:
            peer.finish()
