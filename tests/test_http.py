"""HTTP by the driver: the face in a virtual world, its asyncio twin, the flow against a module of few words."""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import Any

import pytest

from fcm360w import fetching, forms
from fcm360w.commands.http import Header
from fcm360w.errors import CommandError, CommandTimeout, FCM360WError, Overrun, UsageError
from fcm360w.fetching import MAX_KEPT, Headers, Progress, after_each, fetched, requested
from fcm360w.flows import http
from fcm360w.flows.http import Framed
from fcm360w.module import Module
from fcm360w.sim import World
from fcm360w.turns import MAX_VAIN, Turn, perform
from pages import BIG, HOST, TRAP, Asked, Pages
from scripted import CONNECT, ERROR, OK, line
from scripted import World as Words

HOTSPOT = "hall", "open sesame"
URL = f"http://{HOST}"


class Place:
    """A world with a module that is joined, and a web server."""

    def __init__(self) -> None:
        self.world = World(baud=None)
        self.pages = Pages()
        self.world.network.serve(HOST, 80, self.pages.serve)
        self.module = self.world.module()
        self.module.wifi.join(*HOTSPOT)

    @property
    def last(self) -> Asked:
        return self.pages.asked[-1]


@pytest.fixture
def place() -> Iterator[Place]:
    place = Place()
    yield place
    place.module.close()


# ---- get


def test_get(place: Place) -> None:
    response = place.module.http.get(f"{URL}/hello?a=b")
    assert response.status == 404
    assert not response.ok
    response = place.module.http.get(f"{URL}/hello", headers={"X-One": "1", "X-Two": "a, b; c"})
    assert (response.status, response.body, response.size, response.ok) == (200, b"hello", 5, True)
    assert not response.inferred_end
    assert response.text() == "hello"
    assert place.last.method == "GET"
    assert place.last.values("X-One") == ["1"]
    assert place.last.values("X-Two") == ["a, b; c"]


def test_headers_of_one_request_are_not_the_next_ones(place: Place) -> None:
    place.module.http.get(f"{URL}/hello", headers={"X-One": "1"}, auth=("user", "pass:word"))
    assert place.last.values("Authorization") == ["Basic dXNlcjpwYXNzOndvcmQ="]
    place.module.http.get(f"{URL}/hello")
    assert place.last.values("X-One") == []
    assert place.last.values("Authorization") == []


@pytest.mark.parametrize("path", ["/trap", "/big", "/empty", "/hello"])
def test_what_is_announced_is_read_to_the_byte(place: Place, path: str) -> None:
    expected = {"/trap": TRAP, "/big": BIG, "/empty": b"", "/hello": b"hello"}[path]
    response = place.module.http.get(URL + path)
    assert response.body == expected
    assert not response.inferred_end
    assert response.headers["content-length"] == str(len(expected))


@pytest.mark.parametrize(("path", "body"), [("/open", TRAP + b"end" + TRAP), ("/chunked", b"one " + TRAP + b" two")])
def test_what_is_not_announced_is_told_so(place: Place, path: str, body: bytes) -> None:
    response = place.module.http.get(URL + path)
    assert response.body == body
    assert response.inferred_end
    assert place.module.events()[2:] == []  # those of the joining


def test_a_response_that_has_no_body(place: Place) -> None:
    response = place.module.http.get(f"{URL}/nothing")
    assert (response.status, response.body, response.inferred_end) == (204, b"", False)


@pytest.mark.parametrize("name", ["Content-Length", "transfer-encoding"])
def test_headers_that_are_the_modules_own(place: Place, name: str) -> None:
    with pytest.raises(UsageError, match=rf"leave {name} out: .*\(manual 2\.6\.1\)"):
        place.module.http.post(f"{URL}/hello", data="hello", headers={name: "5"})
    assert not place.pages.asked


def test_headers_are_found_in_whatever_case(place: Place) -> None:
    response = place.module.http.post(f"{URL}/echo", data=b"x")
    assert response.headers["CONTENT-TYPE"] == "text/x-echo"
    assert response.headers["x-twice"] == "1, 2"
    assert ("X-Twice", "2") in response.headers.lines
    assert "x-none" not in response.headers
    assert len(response.headers) == 3
    assert "X-Twice" in repr(response.headers)


def test_into_a_file(place: Place) -> None:
    file = io.BytesIO()
    response = place.module.http.get(f"{URL}/big", into=file)
    assert response.body == b""
    assert response.size == len(BIG)
    assert file.getvalue() == BIG


def test_memory_is_bounded(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    assert MAX_KEPT == 16 << 20
    monkeypatch.setattr(fetching, "MAX_KEPT", len(BIG) - 1)
    with pytest.raises(Overrun, match="file"):
        place.module.http.get(f"{URL}/big")
    assert place.module.stats().buffers["http_inbox"].high_water <= 1 << 20
    assert place.module.http.get(f"{URL}/hello").body == b"hello"


def test_a_file_that_is_full_ends_the_request_and_no_more(place: Place) -> None:
    class Full(io.BytesIO):
        def write(self, data: Any) -> int:
            raise OSError(28, "no space left")

    with pytest.raises(OSError, match="no space left"):
        place.module.http.get(f"{URL}/big", into=Full())
    assert place.module.http.get(f"{URL}/hello").body == b"hello"


# ---- bodies


@pytest.mark.parametrize("method", ["POST", "PUT"])
@pytest.mark.parametrize("data", [b"hello", TRAP, b"+++", b"\n\r\x1a\x1b\x00", b"\r\n", BIG])
def test_bodies_go_there_to_the_byte(place: Place, method: str, data: bytes) -> None:
    send = place.module.http.post if method == "POST" else place.module.http.put
    response = send(f"{URL}/echo", data=data)
    assert response.body == data
    assert (place.last.method, place.last.body) == (method, data)


def test_the_longest_body_and_one_byte_more(place: Place) -> None:
    assert place.module.http.put(f"{URL}/count", data=bytes(1_024_000)).body == b"1024000"
    with pytest.raises(UsageError, match=r"data_length 1024001 bytes, outside 1\.\.1024000 .*2\.6\.4"):
        place.module.http.put(f"{URL}/count", data=bytes(1_024_001))


def test_fields_and_files(place: Place) -> None:
    response = place.module.http.post(f"{URL}/form", data={"a": "1 2", "b": "ä&="})
    assert response.body == b"application/x-www-form-urlencoded\na=1+2&b=%C3%A4%26%3D"
    response = place.module.http.post(
        f"{URL}/form", data={"a": "1"}, files={"f": ('q"\r\n', b"\x00--", "image/x"), "g": b"raw", "h": ("n", b"x")}
    )
    kind, _, body = response.body.partition(b"\n")
    assert kind.startswith(b"multipart/form-data; boundary=")
    boundary = kind.partition(b"=")[2]
    parts = body.split(b"--" + boundary)
    assert parts[0] == b""
    assert parts[-1] == b"--\r\n"
    assert parts[1:-1] == [
        b'\r\nContent-Disposition: form-data; name="a"\r\n\r\n1\r\n',
        b'\r\nContent-Disposition: form-data; name="f"; filename="q%22%0D%0A"\r\n'
        b"Content-Type: image/x\r\n\r\n\x00--\r\n",
        b'\r\nContent-Disposition: form-data; name="g"; filename="g"\r\n'
        b"Content-Type: application/octet-stream\r\n\r\nraw\r\n",
        b'\r\nContent-Disposition: form-data; name="h"; filename="n"\r\n'
        b"Content-Type: application/octet-stream\r\n\r\nx\r\n",
    ]


def test_a_boundary_is_in_no_part(monkeypatch: pytest.MonkeyPatch) -> None:
    tokens = iter(["a", "b"])
    monkeypatch.setattr(forms.secrets, "token_hex", lambda size: next(tokens))
    body, kind = forms.multipart({"name": "an a"}, {})
    assert kind.endswith("=b") or b"--b" in body


def test_ones_own_type_is_kept(place: Place) -> None:
    place.module.http.post(f"{URL}/form", data={"a": "1"}, headers={"content-type": "text/x-mine"})
    assert place.last.values("Content-Type") == ["text/x-mine"]


# ---- progress


def test_progress(place: Place) -> None:
    told: list[Progress] = []
    place.module.http.get(f"{URL}/big", progress=told.append)
    assert told[-1] == Progress(0, 0, len(BIG), len(BIG))
    assert [each.received for each in told] == sorted({each.received for each in told})
    told.clear()
    place.module.http.post(f"{URL}/echo", data=BIG, progress=told.append)
    assert told[0].sent == 0
    assert told[-1] == Progress(len(BIG), len(BIG), len(BIG), len(BIG))
    assert [each.sent for each in told] == sorted(each.sent for each in told)


def test_what_watches_progress_may_end_it_once_the_body_is_there(place: Place) -> None:
    def stop(progress: Progress) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        place.module.http.post(f"{URL}/echo", data=BIG, progress=stop)
    assert place.module.http.get(f"{URL}/hello").body == b"hello"


def test_what_is_raised_in_a_turn_that_must_not_be_interrupted_comes_later() -> None:
    def turns() -> Any:
        yield Turn(shielded=True)
        told.append("shielded")
        try:
            yield Turn()
        except ValueError:
            told.append("told")
            raise

    told: list[str] = []

    def act() -> None:
        raise ValueError

    driven = after_each(turns(), act)
    next(driven)
    driven.send(None)  # type: ignore[arg-type]
    with pytest.raises(ValueError):
        driven.send(None)  # type: ignore[arg-type]
    assert told == ["shielded", "told"]


# ---- what goes wrong


@pytest.mark.parametrize(
    ("url", "code", "text"),
    [
        ("http://10.0.0.9/", 712, "socket connect fault"),
        ("http://nowhere.example/", 710, "DNS fault"),
        ("nonsense", 707, "bad URL"),
    ],
)
def test_a_request_that_fails_says_why(place: Place, url: str, code: int, text: str) -> None:
    with pytest.raises(CommandError, match=text) as caught:
        place.module.http.get(url)
    assert caught.value.code == code
    assert place.module.http.get(f"{URL}/hello").body == b"hello"


def test_without_a_hotspot() -> None:
    module = World().module()
    with pytest.raises(CommandError, match="network fault"):
        module.http.get(f"{URL}/hello")
    module.close()


def test_a_server_that_says_nothing(place: Place) -> None:
    place.world.network.serve("mute.example", 80)
    begin = place.world.now
    with pytest.raises((CommandError, CommandTimeout)):
        place.module.http.get("http://mute.example/", timeout=5.0)
    assert place.world.now < begin + 10.0
    assert place.module.http.get(f"{URL}/hello").body == b"hello"


def test_a_body_that_breaks_off(place: Place) -> None:
    def stall(peer: Any) -> None:
        peer.on_data = lambda data: peer.send(b"HTTP/1.1 200 So\r\nContent-Length: 100\r\n\r\nhel")

    place.world.network.serve("stall.example", 80, stall)
    file = io.BytesIO()
    with pytest.raises(CommandError, match="718, reading timed out"):
        place.module.http.get("http://stall.example/", timeout=5.0, into=file)
    assert file.getvalue() == b"hel"
    assert place.module.http.get(f"{URL}/hello").body == b"hello"


def test_who_is_interrupted_leaves_the_module_usable(place: Place) -> None:
    place.world.network.serve("mute.example", 80)
    busy = [True]

    def interrupt() -> None:
        if busy.pop():
            raise KeyboardInterrupt

    place.world.after(3.0, interrupt)
    with pytest.raises(KeyboardInterrupt):
        place.module.http.get("http://mute.example/")
    assert place.module.http.get(f"{URL}/hello").body == b"hello"


@pytest.mark.parametrize(
    "wrong",
    [
        {"url": "http://a\r\nb/"},
        {"url": 'http://a"b/'},
        {"url": "http://a/" + "x" * 2000},
        {"headers": {"a:b": "c"}},
        {"headers": {"": "c"}},
        {"headers": {" a": "c"}},
        {"headers": {"a": "c\r\nd: e"}},
        {"headers": {"a": 'c"d'}},
        {"auth": ("a:b", "c")},
        {"auth": ("a", 'c"d')},
        {"timeout": 0},
        {"timeout": 70_000.0},
    ],
)
def test_what_cannot_be_sent_is_refused_before_anything_is(place: Place, wrong: dict[str, Any]) -> None:
    written = place.module.stats().written
    with pytest.raises(UsageError):
        place.module.http.get(**({"url": URL} | wrong))
    assert place.module.stats().written == written


@pytest.mark.parametrize(
    "wrong",
    [
        {},
        {"data": b""},
        {"data": b"x", "files": {"f": b"y"}},
        {"files": {"f": "text"}},
        {"files": {"f": ("n", b"x", "a\r\nb")}},
    ],
)
def test_bodies_that_are_none(place: Place, wrong: dict[str, Any]) -> None:
    written = place.module.stats().written
    with pytest.raises(UsageError):
        place.module.http.post(URL, **wrong)
    assert place.module.stats().written == written


def test_secrets_are_in_no_trace(place: Place) -> None:
    lines: list[str] = []
    place.module._link.trace = lambda direction, text: lines.append(text)
    place.module.http.get(f"{URL}/hello", auth=("user", "sesame"), headers={"Cookie": "crumb"})
    place.module.run(http.add_header("Cookie", "crumb"))
    assert not [text for text in lines if "sesame" in text or "crumb" in text]


def test_a_url_is_in_no_trace_and_a_request_shows_nothing(place: Place) -> None:
    lines: list[str] = []
    place.module._link.trace = lambda direction, text: lines.append(text)
    place.module.http.get(f"{URL}/hello?token=crumb")
    assert not [text for text in lines if "crumb" in text]
    request = requested("GET", f"{URL}/?crumb", {"Cookie": "crumb"}, auth=("user", "crumb"))
    assert "crumb" not in repr(request)


def test_secrets_of_the_modules_lines_are_in_no_trace(place: Place) -> None:
    from fcm360w.commands.http import Auth, GetHeaders
    from fcm360w.settings import Get

    place.module.run(http.add_header("Cookie", "crumb"))
    lines: list[str] = []
    place.module._link.trace = lambda direction, text: lines.append(text)
    assert place.module.run(GetHeaders()) == (Header("Cookie: crumb"),)
    place.module.run(Get(Auth))
    assert "+QHTTPCFG: ***" in lines
    assert not [text for text in lines if "crumb" in text]


def test_other_sockets_go_on(place: Place) -> None:
    """A stream in push mode beside it, whose data come while a response is poured out."""
    place.world.network.serve("echo.example", 7, lambda peer: setattr(peer, "on_data", peer.send))
    with place.module.stream("echo.example", 7, "push") as stream:
        stream.settimeout(20.0)
        stream.sendall(b"before")
        assert place.module.http.get(f"{URL}/open").body == TRAP + b"end" + TRAP
        assert stream.recv(99) == b"before"
        stream.sendall(b"after")
        assert stream.recv(99) == b"after"


# ---- asyncio


def test_asyncio() -> None:
    world = World(baud=None)
    pages = Pages()
    world.network.serve(HOST, 80, pages.serve)

    async def main() -> None:
        async with await world.async_module() as module:
            await module.wifi.join(*HOTSPOT)
            assert (await module.http.get(f"{URL}/open")).body == TRAP + b"end" + TRAP
            assert (await module.http.post(f"{URL}/echo", data=BIG)).body == BIG
            assert (await module.http.put(f"{URL}/count", data="four")).body == b"4"
            await module.http.stop()

    world.run(main())


def test_a_cancelled_request_leaves_the_module_usable() -> None:
    import asyncio

    world = World(baud=None)
    world.network.serve(HOST, 80, Pages().serve)
    world.network.serve("mute.example", 80)

    async def main() -> None:
        async with await world.async_module() as module:
            await module.wifi.join(*HOTSPOT)
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(3.0):
                    await module.http.get("http://mute.example/")
            assert (await module.http.get(f"{URL}/hello")).body == b"hello"

    world.run(main())


# ---- the flow, against a module of few words


def configured(words: Words, *headers: str) -> None:
    words.on('AT+QHTTPCFG="reset"', OK)
    words.on('AT+QHTTPCFG="url","http://h/"', OK)
    for header in headers:
        words.on(f'AT+QHTTPCFG="header","{header}"', OK)
    words.on('AT+QHTTPCFG="rsp/header",1', OK)


def get(words: Words, **more: Any) -> Any:
    return words.drive(fetched(words.link, requested("GET", "http://h/", **more)))


def test_what_is_said_for_a_get() -> None:
    words = Words()
    configured(words, "A: b")
    words.on("AT+QHTTPGET=5", OK, (1.0, line("+QHTTPGET: 0,200,5")))
    words.on("AT+QHTTPREAD=5", CONNECT + b"HTTP/1.1 200 OK\r\n\r\nhello" + OK + line("+QHTTPREAD: 0"))
    response = get(words, headers={"A": "b"}, timeout=4.5)
    assert (response.body, response.inferred_end) == (b"hello", False)
    assert words.script.spent


def test_a_module_that_puts_no_header_out() -> None:
    words = Words()
    words.on('AT+QHTTPCFG="reset"', OK)
    words.on('AT+QHTTPCFG="url","http://h/"', OK)
    words.on('AT+QHTTPCFG="rsp/header",1', ERROR)
    words.on("AT+QHTTPGET=60", OK, line("+QHTTPGET: 0,200,5"))
    words.on("AT+QHTTPREAD=60", CONNECT + b"hello" + OK + line("+QHTTPREAD: 0"))
    response = get(words)
    assert (response.body, response.inferred_end, dict(response.headers)) == (b"hello", False, {})


def test_a_body_that_looks_like_a_response_is_whole_where_no_header_is_put_out() -> None:
    body = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhello"
    words = Words()
    words.on('AT+QHTTPCFG="reset"', OK)
    words.on('AT+QHTTPCFG="url","http://h/"', OK)
    words.on('AT+QHTTPCFG="rsp/header",1', ERROR)
    words.on("AT+QHTTPGET=60", OK, line(f"+QHTTPGET: 0,200,{len(body)}"))
    words.on("AT+QHTTPREAD=60", CONNECT + body + OK + line("+QHTTPREAD: 0"))
    assert get(words).body == body


def test_what_never_began_is_not_stopped() -> None:
    words = Words()
    for _ in range(5):
        with pytest.raises(FCM360WError):
            get(words, timeout=5.0)
    assert len(words.link.undone) == 0


def test_it_is_stopped_once_however_often_it_fails() -> None:
    words = Words()
    configured(words)
    for _ in range(5):
        with pytest.raises(FCM360WError):
            get(words, timeout=5.0)
    assert len(words.link.undone) == 1


def test_a_stop_that_is_interrupted_is_made_up_for() -> None:
    words = Words()
    words.link.undone.append(http.stop)
    driver = words.start(perform(words.link, http.add_header("A", "b")))
    words.wait(0.1)
    words.cancel_to_the_end(driver, KeyboardInterrupt())
    assert list(words.link.undone) == [http.stop]
    words.on("AT", OK, always=True)
    words.on("AT+QHTTPSTOP", OK)
    words.on('AT+QHTTPCFG="header","A: b"', OK)
    words.run(http.add_header("A", "b"))
    assert words.script.spent
    assert not words.link.undone


def test_a_stop_that_is_never_answered_is_given_up() -> None:
    words = Words()
    words.link.undone.append(http.stop)
    words.on("AT", OK, always=True)
    for _ in range(MAX_VAIN):
        assert words.link.undone
        with pytest.raises(CommandTimeout):
            words.run(http.add_header("A", "b"))
    words.on('AT+QHTTPCFG="header","A: b"', OK)
    words.run(http.add_header("A", "b"))
    assert (words.script.spent, len(words.link.undone), words.link.vain) == (True, 0, 0)


def test_a_module_that_wants_name_and_value_apart() -> None:
    words = Words()
    words.on('AT+QHTTPCFG="header","A: b"', ERROR)
    words.on('AT+QHTTPCFG="header","A","b"', OK)
    words.run(http.add_header("A", "b"))
    words.on('AT+QHTTPCFG="header","A: b"', line("+CME ERROR: 724"))
    words.on('AT+QHTTPCFG="header","A","b"', ERROR)
    with pytest.raises(CommandError, match="724, bad parameter"):
        words.run(http.add_header("A", "b"))


def test_a_session_of_an_earlier_owner_is_ended() -> None:
    words = Words()
    configured(words)
    words.on("AT+QHTTPGET=60", line("+CME ERROR: 703"))
    words.on("AT+QHTTPSTOP", OK)
    words.on("AT+QHTTPGET=60", OK, line("+QHTTPGET: 0,200,5"))
    words.on("AT+QHTTPREAD=60", CONNECT + b"hello" + OK + line("+QHTTPREAD: 0"))
    assert get(words).body == b"hello"
    assert words.script.spent


def test_a_request_without_an_answer_is_stopped_before_the_next_command() -> None:
    words = Words()
    configured(words)
    words.on("AT+QHTTPGET=5", OK)
    with pytest.raises(CommandTimeout):
        get(words, timeout=5.0)
    words.on("AT", OK, always=True)
    words.on("AT+QHTTPSTOP", OK)
    words.on('AT+QHTTPCFG="header","A: b"', OK)
    words.run(http.add_header("A", "b"))
    assert words.script.spent


@pytest.mark.parametrize(
    ("begun", "announced", "length", "size"),
    [
        (b"", None, ..., 0),
        (b"HTT", 5, ..., 0),
        (b"HTTP/1.1 200 OK\r\nA: b\r\n", 5, ..., 0),
        (b"HTTP/1.1 200 OK\r\nA: b\r\n\r\n", 5, 30, 25),
        (b"HTTP/1.1 200 OK\r\ncontent-length: 7\r\n\r\n", None, 45, 38),
        (b"HTTP/1.1 200 OK\r\ncontent-length: 7\r\n\r\n", 9, 47, 38),
        (b"HTTP/1.1 200 OK\r\nA: b\r\n\r\nabc", None, None, 25),
        (b"HTTP/1.1 204 OK\r\n\r\n", None, 19, 19),
        (b"HTTP/1.1 100 Go\r\n\r\nHTTP/1.1 200 OK\r\n\r\n", 5, 43, 38),
        (b"HTTP/1.1 100 Go\r\n\r\nHTT", 5, ..., 0),
        (b"hello", 5, 5, 0),
        (b"hello", None, None, 0),
        (b"HTTP/" + b"x" * 70_000, None, None, 0),
    ],
)
def test_where_a_response_ends(begun: bytes, announced: int | None, length: Any, size: int) -> None:
    framed = Framed()
    framed.announced = announced
    assert framed(begun) == length
    assert framed.size == size


def test_the_time_for_a_body_is_what_the_wire_needs() -> None:
    from fcm360w.fetching import input_time
    from fcm360w.link import Link

    assert input_time(Link(0.0, baud=115200), 1_024_000) > 10 + 1_024_000 * 10 / 115200
    assert input_time(Link(0.0, baud=0), 1_024_000) == 10
    assert input_time(Link(0.0, baud=1200), 1_024_000) <= 65535
    assert input_time(Link(0.0, baud=None), 9600) == 20


def test_headers_by_name() -> None:
    assert Headers()._found == {}
    with pytest.raises(KeyError):
        Headers()["a"]


def test_the_module_has_one_face(place: Place) -> None:
    assert place.module.http is place.module.http
    assert isinstance(place.module, Module)
