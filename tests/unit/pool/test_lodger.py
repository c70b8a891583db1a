"""A model that is held by a pool: it listens whenever it is asked, and is loaded as often as there is room for it."""

from collections.abc import Iterator

import numpy as np
import pytest

from modellab.errors import LoadFailed, ModelTooLarge, WorkerFailed
from modellab.measuring.blueprint import Blueprint
from modellab.measuring.worker import Worker
from modellab.pool.capacity import Capacity
from modellab.pool.lodger import Lodger
from modellab.pool.pool import Pool
from modellab.pool.recipe import Recipe
from modellab.pool.size import Size
from modellab.speech.audio import Audio
from modellab.testing import FakeBackend

SOUND = Audio(samples=np.zeros(1600, np.float32))
BACKENDS = {
    "one": FakeBackend(replies=("from one",)),
    "other": FakeBackend(replies=("from the other",)),
    "dies": FakeBackend(mishap="exits"),
    "broken": FakeBackend(mishap="raises", mishap_at=None),
    "huge": FakeBackend(),
}


@pytest.fixture
def pool() -> Iterator[Pool[Worker]]:
    """A pool that holds one model, of 1 GiB at most."""

    def recipe(key: str) -> Recipe[Worker]:
        blueprint = Blueprint.of("fake", BACKENDS[key])
        size = Size(ram_bytes=(2 << 30) if key == "huge" else (1 << 20))
        return Recipe(make=lambda: Worker(blueprint=blueprint, limit_s=60), estimate=size)

    with Pool(recipe, Capacity(models=1, ram_bytes=1 << 30)) as made:
        yield made


def test_two_take_turns_where_there_is_room_for_one(pool: Pool[Worker]) -> None:
    """Each listens when it is asked, though the other's room was needed; what is idle stays until then."""
    one, other = (Lodger(pool=pool, key=key, limit_s=60) for key in ("one", "other"))
    assert [one.transcribe([SOUND])[0].text, other.transcribe([SOUND])[0].text] == ["from one", "from the other"]
    other.close()
    assert [held.key for held in pool.holding().models] == ["other"]
    assert one.transcribe([SOUND, SOUND])[1].text == "from one"


def test_loading_keeps_it_ready(pool: Pool[Worker]) -> None:
    """After `load` it is held, and hearing needs no other process."""
    lodger = Lodger(pool=pool, key="one", limit_s=60)
    lodger.load()
    with pool.lease("one") as worker:
        pid = worker.pid
    lodger.transcribe([SOUND])
    with pool.lease("one") as worker:
        assert worker.pid == pid


def test_what_goes_wrong_is_said_to_who_asked(pool: Pool[Worker]) -> None:
    """A process that dies, a load that fails and a model without room raise what they are; another goes on."""
    with pytest.raises(WorkerFailed):
        Lodger(pool=pool, key="dies", limit_s=60).transcribe([SOUND])
    with pytest.raises(LoadFailed, match="broken could not be loaded"):
        Lodger(pool=pool, key="broken", limit_s=60).load()
    with pytest.raises(ModelTooLarge):
        Lodger(pool=pool, key="huge", limit_s=60).load()
    assert Lodger(pool=pool, key="one", limit_s=60).transcribe([SOUND])[0].text == "from one"
