"""What every kind of stream does."""

from __future__ import annotations

import pytest

from fcm360w import inbox
from fcm360w.channel import Channel
from scripted import World


def test_the_face_of_a_channel_is_abstract() -> None:
    link = World().link
    bare = Channel(link, 0, inbox.Inbox(link.marks["commanded_inbox"]), buffered=False)
    with pytest.raises(TypeError):
        bare.send(memoryview(b""), None)
