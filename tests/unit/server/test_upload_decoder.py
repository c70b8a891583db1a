"""A decoder that hangs, breaks down, lies, or is taken over; and the process that waits for files."""

import asyncio
import io
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest
import soundfile
from anyio import CapacityLimiter

from modellab.errors import Refused
from modellab.machine.clock import MONOTONIC
from modellab.server.settings import UploadSettings
from modellab.server.upload import uploads as uploads_module
from modellab.server.upload.decoder import COMMAND, Decoder, Forker
from modellab.server.upload.limits import Limits
from modellab.server.upload.uploads import Uploads
from modellab.server.upload.verdict import Order, Verdict
from modellab.speech.audio import Audio

LIMITS = Limits(duration_s=600.0, decoded_bytes=1 << 28, memory_bytes=1 << 31, timeout_s=60.0)
GENEROUS_S = 60.0


def wav(frames: int = 16_000) -> bytes:
    """Give a wav file."""
    file = io.BytesIO()
    soundfile.write(file, np.full(frames, 0.25, np.float32), 16_000, format="WAV")
    return file.getvalue()


MakeDecoder = Callable[..., Decoder]


@pytest.fixture
def decoder() -> Iterator[MakeDecoder]:
    """A maker of decoders: `instead` is what the process does in place of decoding, as Python of one file."""
    with ExitStack() as stack:

        def make(instead: str = "", limits: Limits = LIMITS, name: str = "listen") -> Decoder:
            script = f"""
import os, signal, socket, time
from modellab.server.upload import decoding
from modellab.server.upload.limits import bad_audio
truly = decoding.{name}
def instead(file, *others):
    {instead or "return truly(file, *others)"}
decoding.{name} = instead
decoding.main()
"""
            made = Decoder(limits=limits, command=(sys.executable, "-c", script))
            stack.callback(made.close)
            return made

        yield make


def until(holds: Callable[[], Any]) -> None:
    """Wait until something holds."""
    deadline_s = MONOTONIC() + GENEROUS_S
    while not holds():
        assert MONOTONIC() < deadline_s, "it never held"
        time.sleep(0.01)


def decoded(decoder: Decoder, folder: Path, data: bytes | None = None) -> Audio:
    """Decode a wav file."""
    path = folder / "file"
    path.write_bytes(wav() if data is None else data)
    with path.open("r+b") as file:
        return decoder.decode(file, "wav")


def refusal(decoder: Decoder, folder: Path) -> tuple[int, str, str]:
    """Give the status, the code and the words of what a decoder refuses."""
    with pytest.raises(Refused) as refused:
        decoded(decoder, folder)
    return refused.value.status, refused.value.code, str(refused.value)


@pytest.mark.parametrize(
    "hang",
    ["while True: time.sleep(60)", "while True: pass", "os.kill(os.getpid(), signal.SIGSTOP)", "signal.pause()"],
)
def test_a_decoder_that_hangs_is_killed(
    hang: str, decoder: MakeDecoder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whether it sleeps, works or is stopped, it is gone at the timeout; the process that waits for files is not."""
    monkeypatch.setattr("modellab.server.upload.decoder.GRACE_S", GENEROUS_S)  # it begins with its start
    hanging = decoder(hang, replace(LIMITS, timeout_s=0.3))
    hanging.start()
    assert hanging._forker is not None
    forker = hanging._forker
    status, code, words = refusal(hanging, tmp_path)
    assert (status, code) == (422, "decode_timeout")
    assert "0.3 s" in words
    assert forker.alive
    assert psutil.wait_procs(psutil.Process(forker.process.pid).children(), GENEROUS_S)[1] == []


@pytest.mark.parametrize(
    "end", ["os.kill(os.getpid(), signal.SIGSEGV)", "os.abort()", "os._exit(7)", "os.kill(os.getpid(), 9)"]
)
def test_a_decoder_that_breaks_down_takes_nothing_along(end: str, decoder: MakeDecoder, tmp_path: Path) -> None:
    """A crash is the file's fault, and the process that waits for files goes on."""
    broken = decoder(end)
    assert refusal(broken, tmp_path)[:2] == (422, "bad_audio")
    forker = broken._forker
    assert refusal(broken, tmp_path)[:2] == (422, "bad_audio")
    assert broken._forker is forker


def test_a_decoder_that_raises_blames_the_file(decoder: MakeDecoder, tmp_path: Path) -> None:
    """What nobody foresaw is told in one line, by a process that ends well."""
    status, code, words = refusal(decoder("raise ZeroDivisionError('by nothing')"), tmp_path)
    assert (status, code) == (400, "bad_audio")
    assert "ZeroDivisionError: by nothing" in words


def test_memory_ends_somewhere(decoder: MakeDecoder, tmp_path: Path) -> None:
    """A decoder that wants more memory than it may have is told no, and the file is called too large."""
    status, code, words = refusal(decoder("bytearray(3 << 30)"), tmp_path)
    assert (status, code) == (413, "too_much_decoded")
    assert str(LIMITS.memory_bytes) in words


ATTEMPTS = {
    "read a file": "open('/etc/hostname').read()",
    "write a file": "open('/tmp/modellab-was-here', 'w').write('x')",
    "write to the upload": "(os.lseek(file.fileno(), 0, 2), os.write(file.fileno(), b'x' * 10))",
    "open a socket": "socket.socket()",
    "give orders": "os.read(0, 1)",
    "start a program": "__import__('subprocess').run(['true'])",
    "keep a secret": "os.environ['MODELLAB_SERVER_SECRET']",
}


@pytest.mark.parametrize("attempt", ATTEMPTS)
def test_a_decoder_that_was_taken_over(
    attempt: str, decoder: MakeDecoder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It can open nothing, write nothing, start nothing, and knows none of the server's secrets."""
    monkeypatch.setenv("MODELLAB_SERVER_SECRET", "a secret")
    _, code, words = refusal(decoder(f"raise bad_audio('done: ' + repr({ATTEMPTS[attempt]}))"), tmp_path)
    assert code == "bad_audio"
    assert "done" not in words, words
    assert "a secret" not in words
    assert (tmp_path / "file").read_bytes() == wav()


def test_what_libraries_complain_of_is_not_the_servers_log(
    decoder: MakeDecoder, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """A stranger's file writes nothing to where the server writes."""
    assert decoded(decoder("os.write(2, b'noise'); os.write(1, b'noise'); return truly(file, *others)"), tmp_path)
    written = capfd.readouterr()
    assert "noise" not in written.out + written.err


LIES = {
    "no verdict": "file.write(b'hello')",
    "a line without end": "file.write(b'x' * 100_000)",
    "more than anybody may hear": 'file.write(b\'{"samples": 99999999999, "peak_bytes": 1, "refused": null}\\n\')',
    "less than nothing": 'file.write(b\'{"samples": -4, "peak_bytes": 1, "refused": null}\\n\')',
    "fewer than it says": 'file.write(b\'{"samples": 4, "peak_bytes": 1, "refused": null}\\n1234\')',
    "what is not finite": 'file.write(b\'{"samples": 1, "peak_bytes": 1, "refused": null}\\n\' + b\'\\xff\' * 4)',
    "a list": "file.write(b'[]\\n')",
    "an error of the server": (
        'file.write(b\'{"samples": 0, "peak_bytes": 1, "refused": {"message": "x", "status": 500, "code": "x"}}\\n\')'
    ),
}


@pytest.mark.parametrize("lie", LIES)
def test_a_decoder_that_lies_is_not_believed(lie: str, decoder: MakeDecoder, tmp_path: Path) -> None:
    """An answer that is none counts as a breakdown."""
    assert refusal(decoder(LIES[lie], name="_answer"), tmp_path)[:2] == (422, "bad_audio")


def test_who_waits_for_files_is_started_anew(decoder: MakeDecoder, tmp_path: Path) -> None:
    """When it was killed, the next file is decoded by another."""
    lasting = decoder()
    assert decoded(lasting, tmp_path).duration_s == 1.0
    first = lasting._forker
    assert first is not None
    first.process.kill()
    first.process.wait(GENEROUS_S)
    assert decoded(lasting, tmp_path).duration_s == 1.0
    assert lasting._forker is not first


def test_who_waits_for_files_cannot_start(tmp_path: Path) -> None:
    """That is not the file's fault: the client is told to come again, each time."""
    decoder = Decoder(limits=LIMITS, command=(sys.executable, "-c", "raise SystemExit(3)"))
    with closing(decoder):
        for _ in range(2):
            with pytest.raises(Refused) as refused:
                decoded(decoder, tmp_path)
            assert (refused.value.status, refused.value.code) == (503, "decoder_failed")
            assert refused.value.retry_after_s is not None


def test_who_waits_for_files_hangs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is killed too, some time after the timeout, and started anew for the next file."""
    monkeypatch.setattr("modellab.server.upload.decoder.GRACE_S", 0.1)
    limits = replace(LIMITS, timeout_s=0.2)
    decoder = Decoder(limits=limits, command=(sys.executable, "-c", "import time; time.sleep(600)"))
    with closing(decoder):
        with pytest.raises(Refused) as refused:
            decoded(decoder, tmp_path)
        assert refused.value.code == "decode_timeout"
        assert decoder._forker is not None
        assert not decoder._forker.alive


def test_nobody_is_left_when_the_server_ends(tmp_path: Path) -> None:
    """However the server ends, its end of the socket closes; then nobody waits for files, and nothing is decoded."""
    forker = Forker.start((sys.executable, "-c", _HANG))
    ours, theirs = socket.socketpair()
    (tmp_path / "file").write_bytes(wav())
    with (tmp_path / "file").open("rb") as file, theirs:
        socket.send_fds(forker.control, [Order(kind="wav", limits=LIMITS).encoded()], [file.fileno(), theirs.fileno()])
    with ours:
        ours.settimeout(GENEROUS_S)
        assert ours.recv(3) == b"now"
        forker.control.close()
        assert forker.process.wait(GENEROUS_S) == 0
        assert ours.recv(1) == b"", "the process of the file still holds its answer"


_HANG = """
import os, time
from modellab.server.upload import decoding
def hang(order, parent, file, answer):
    decoding.die_with_parent()
    os.write(answer, b"now")
    time.sleep(600)
decoding._decode = hang
decoding.main()
"""


def test_a_closed_decoder_leaves_no_process(decoder: MakeDecoder, tmp_path: Path) -> None:
    """Closing ends the process that waits, and may be done twice."""
    closing = decoder()
    decoded(closing, tmp_path)
    assert closing._forker is not None
    process = psutil.Process(closing._forker.process.pid)
    closing.close()
    closing.close()
    assert not process.is_running()


def test_files_are_decoded_at_once(decoder: MakeDecoder, tmp_path: Path) -> None:
    """A file that hangs holds up none of the others."""
    slow = decoder("return truly(file, *others) if os.fstat(file.fileno()).st_size < 9000 else time.sleep(600)")
    answers: list[str] = []
    path = tmp_path / "long"
    path.write_bytes(wav(8000))

    def hang() -> None:
        with path.open("rb") as file, pytest.raises(Refused) as refused:
            slow.decode(file, "wav")
        answers.append(refused.value.code)

    slow.start()
    assert slow._forker is not None
    forker = psutil.Process(slow._forker.process.pid)
    waiting = threading.Thread(target=hang)
    waiting.start()
    until(forker.children)
    assert decoded(slow, tmp_path, wav(100)).samples.size == 100
    assert waiting.is_alive()
    slow.close()
    waiting.join(GENEROUS_S)
    assert answers == ["decoder_failed"]


class Slow(io.BytesIO):
    """A file that is not read on before it may be."""

    def __init__(self, data: bytes, go: threading.Event) -> None:
        super().__init__(data)
        self.go = go

    def read(self, size: int | None = -1, /) -> bytes:
        """Wait."""
        assert self.go.wait(GENEROUS_S)
        return super().read(size)


def test_turns_are_taken_and_who_is_too_many_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Beyond those who are heard and those who may wait, a file is refused at once; the others are all heard."""
    monkeypatch.setattr(uploads_module, "MOST_WAITING", 2)
    go = threading.Event()

    async def ask(uploads: Uploads) -> None:
        asked = [asyncio.create_task(uploads.audio_of(Slow(wav(), go))) for _ in range(3)]
        while uploads.turns.statistics().tasks_waiting < 2:
            await asyncio.sleep(0)
        with pytest.raises(Refused, match="2 files wait") as refused:
            await uploads.audio_of(io.BytesIO(wav()))
        assert (refused.value.status, refused.value.code) == (503, "decoder_busy")
        go.set()
        assert [audio.duration_s for audio in await asyncio.gather(*asked)] == [1.0] * 3

    made = Uploads.of(UploadSettings(), tmp_path)
    with replace(made, turns=CapacityLimiter(1)).running() as uploads:
        asyncio.run(ask(uploads))


def test_an_upload_has_no_name(tmp_path: Path) -> None:
    """While a file is heard, its folder looks empty, and only we may look: a crash would leave nothing."""
    uploads = Uploads.of(UploadSettings(), tmp_path / "data" / "uploads")
    seen: list[list[Path]] = []

    class Looking(io.BytesIO):
        def read(self, size: int | None = -1, /) -> bytes:
            seen.append(list(uploads.folder.iterdir()))
            return super().read(size)

    with uploads.running():
        uploads.decode(Looking(wav()))
    assert seen
    assert not any(seen)
    assert uploads.folder.stat().st_mode & 0o077 == 0


def test_limits_are_set_as_the_settings_say(tmp_path: Path) -> None:
    """Each setting of an upload is one of the limits."""
    settings = UploadSettings(
        max_bytes=1, max_duration_s=2.0, max_decoded_bytes=3, decode_memory_bytes=4, decode_timeout_s=5.0
    )
    uploads = Uploads.of(settings, tmp_path)
    assert uploads.max_bytes == 1
    assert uploads.decoder.limits == Limits(duration_s=2.0, decoded_bytes=3, memory_bytes=4, timeout_s=5.0)


def test_an_order_and_a_verdict_are_read_back() -> None:
    """What is told between the processes arrives as it was sent, cut to what may be told."""
    order = Order(kind="mp4", limits=LIMITS)
    assert Order.decoded(order.encoded()) == order
    refused = Refused("x" * 9000, status=413, code="too_long", param="file")
    read = Verdict.of_line(Verdict(samples=0, peak_bytes=5, refused=refused).line())
    assert read.refused is not None
    assert (read.peak_bytes, read.refused.code, read.refused.param) == (5, "too_long", "file")
    assert len(str(read.refused)) == 500


def test_waiting_for_files_needs_no_framework() -> None:
    """The process that waits has loaded neither the server's framework nor scipy: it is quick to start, and small."""
    script = "import sys; from modellab.server.upload import decoding; print(*sys.modules)"
    found = subprocess.run([COMMAND[0], "-c", script], capture_output=True, text=True, check=True).stdout.split()
    assert not {"fastapi", "pydantic", "scipy", "sqlalchemy", "structlog"} & set(found)
