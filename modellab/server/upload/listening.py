"""Listening: a stranger's file as a model would hear it, block by block, counted on the way."""

from collections.abc import Iterator
from typing import BinaryIO

import numpy as np
import soxr

from modellab.server.upload.limits import SAMPLE_BYTES, Limits, bad_audio
from modellab.server.upload.stream import Stream, opened
from modellab.speech.audio import SAMPLE_RATE_HZ, Samples


def listen(file: BinaryIO, kind: str, limits: Limits) -> list[Samples]:
    """Give what `read_audio` would give of the file, in blocks, and hold no more than that and one block.

    What a header states is checked before anything is decoded, and what is decoded is counted all the same.

    Raises:
        Refused: bad_audio, too_long, too_much_decoded or unsupported_media.
    """
    with opened(file, kind) as stream:
        limits.check_form(stream.rate_hz, stream.channels)
        if stream.frames is not None:
            decoded_bytes = stream.frames * stream.channels * SAMPLE_BYTES
            limits.check_size(stream.frames / stream.rate_hz, decoded_bytes, "states")
        heard = list(_at_our_rate(_mono(stream, limits), stream.rate_hz))
    if not heard:
        raise bad_audio("it holds no samples")
    return heard


def _mono(stream: Stream, limits: Limits) -> Iterator[Samples]:
    frames, decoded_bytes = 0, 0
    for block in stream.blocks:
        frames += block.shape[0]
        decoded_bytes += block.nbytes
        limits.check_size(frames / stream.rate_hz, decoded_bytes, "decodes to more than")
        yield np.asarray(block.mean(axis=1, dtype=np.float32))


def _at_our_rate(blocks: Iterator[Samples], rate_hz: int) -> Iterator[Samples]:
    for block in blocks if rate_hz == SAMPLE_RATE_HZ else _resampled(blocks, rate_hz):
        if not np.isfinite(block).all():
            raise bad_audio("it holds samples that are not finite (NaN or infinity)")
        if block.size:
            yield np.clip(block, -1.0, 1.0)


def _resampled(blocks: Iterator[Samples], rate_hz: int) -> Iterator[Samples]:
    resampler = soxr.ResampleStream(rate_hz, SAMPLE_RATE_HZ, num_channels=1, dtype="float32")
    for block in blocks:
        yield resampler.resample_chunk(block)
    yield resampler.resample_chunk(np.zeros(0, np.float32), last=True)
