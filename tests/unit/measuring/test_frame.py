"""The bytes of a frame: the same in every version, and refused where they are none."""

import json
import struct

import pytest

from modellab.errors import BadFrame
from modellab.measuring import frame
from modellab.measuring.frame import PREFIX, Frame, lengths


def test_the_layout_is_fixed() -> None:
    """A frame is MLAB, the lengths of header and body in little endian, the JSON of the header, and the body."""
    head, body = Frame(header={"ask": "x"}, body=b"\x01\x02\x03").encoded()
    assert head == b"MLAB" + struct.pack("<IQ", 12, 3) + b'{"ask": "x"}'
    assert body == b"\x01\x02\x03"


@pytest.mark.parametrize("text", ["", "Größe", "😀", "line\nline", "\ud800 half of a pair", "\x00"])
def test_any_text_crosses(text: str) -> None:
    """A header holds any text that Python holds."""
    head, _ = Frame(header={"text": text}).encoded()
    assert Frame.decoded(head[PREFIX.size :], bytearray()).header == {"text": text}


def test_lengths_are_read_back() -> None:
    """The lengths in a prefix are those of the header and of the body."""
    head, body = Frame(header={"a": 1}, body=b"12345").encoded()
    assert lengths(head[: PREFIX.size]) == (len(json.dumps({"a": 1})), 5)
    assert len(body) == 5


@pytest.mark.parametrize(
    ("prefix", "message"),
    [
        (b"Loading weights.", r"not a frame: it begins with b'Loading weights.'"),
        (bytes(16), "not a frame"),
        (PREFIX.pack(b"MLAB", frame.HEADER_LIMIT_BYTES + 1, 0), "at most"),
        (PREFIX.pack(b"MLAB", 1, frame.BODY_LIMIT_BYTES + 1), "at most"),
        (PREFIX.pack(b"MLAB", 2**32 - 1, 2**64 - 1), "at most"),
    ],
    ids=["words", "zeros", "long header", "long body", "both"],
)
def test_what_begins_no_frame_is_refused(prefix: bytes, message: str) -> None:
    """Other bytes, and lengths beyond the bounds, are refused before anything is read or allocated."""
    with pytest.raises(BadFrame, match=message):
        lengths(prefix)


@pytest.mark.parametrize("header", [b"", b"{", b"[1]", b"1", b"\xff\xfe"])
def test_a_header_is_a_json_object(header: bytes) -> None:
    """A header that is not a JSON object is refused."""
    with pytest.raises(BadFrame, match="header of a frame is not"):
        Frame.decoded(header, bytearray())


def test_too_much_is_refused_before_it_is_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    """A header or a body beyond the bounds is not encoded, one at the bounds is."""
    monkeypatch.setattr(frame, "BODY_LIMIT_BYTES", 8)
    Frame(header={}, body=bytes(8)).encoded()
    with pytest.raises(BadFrame, match="Send less at once"):
        Frame(header={}, body=bytes(9)).encoded()
    monkeypatch.setattr(frame, "HEADER_LIMIT_BYTES", 2)
    Frame(header={}).encoded()
    with pytest.raises(BadFrame, match="Send less at once"):
        Frame(header={"a": 1}).encoded()


def test_what_json_cannot_hold_is_refused() -> None:
    """A header with a value that JSON lacks is refused."""
    with pytest.raises(BadFrame, match="cannot be written as JSON"):
        Frame(header={"a": object()}).encoded()
