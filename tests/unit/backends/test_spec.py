"""Model specs: four words and their id."""

import pytest

from modellab.backends.spec import ModelSpec, parse_spec
from modellab.errors import UnknownName


@pytest.mark.parametrize("device", ["cpu", "cuda", "cuda:1", "mps"])
@pytest.mark.parametrize("checkpoint", ["whisper-tiny.en", "whisper-large-v3"])
def test_an_id_is_read_back(device: str, checkpoint: str) -> None:
    """The id of a spec names that spec, though its device holds a colon."""
    spec = ModelSpec(backend="faster-whisper", checkpoint=checkpoint, device=device, compute_type="int8_float16")
    assert spec.id == f"faster-whisper:{checkpoint}:{device}:int8_float16"
    assert parse_spec(spec.id) == spec


@pytest.mark.parametrize("text", ["", "a", "a:b", "a:b:c", "a:b:c:", ":b:c:d", "a::c:d", "a:b::d", ":::"])
def test_what_has_not_four_parts_is_refused(text: str) -> None:
    """An id in which a part is missing or empty is refused, saying of which form it should be."""
    with pytest.raises(UnknownName, match="BACKEND:CHECKPOINT:DEVICE:COMPUTE_TYPE"):
        parse_spec(text)


def test_specs_sort_by_their_parts() -> None:
    """Specs sort by backend, checkpoint, device and compute type."""
    ids = ["a:x:cpu:float32", "a:x:cpu:int8", "a:x:cuda:1:int8", "a:y:cpu:int8", "b:a:cpu:int8"]
    assert [spec.id for spec in sorted(map(parse_spec, reversed(ids)))] == ids
