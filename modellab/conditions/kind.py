"""Kind: what effects there are, what their strength is measured in, and who makes them."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from modellab.conditions.babble import babble_of
from modellab.conditions.clipping import Clipping
from modellab.conditions.codec import MP3_KBPS, Codec
from modellab.conditions.colour import COLOURS
from modellab.conditions.cut import Cut
from modellab.conditions.gain import Gain
from modellab.conditions.noise import Noise
from modellab.conditions.pause import PLACES, Pause
from modellab.conditions.room import Room
from modellab.conditions.speed import Speed
from modellab.conditions.telephone import LAWS, Telephone
from modellab.speech.effect import Effect
from modellab.speech.utterance import Corpus


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """The effect that is wanted: the condition's name, its strength (0 where it has none), its option, and on what."""

    name: str
    strength: float
    option: str
    corpus: Corpus


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """One kind of effect.

    Attributes:
        make: gives the effect that an order wants.
        unit: of its strength; empty where it has none.
        least: the lowest strength it has a meaning at; `most` is the highest.
        steps: the only strengths there are; empty where all from least to most are.
        options: by key of the definition, the texts that may stand there; one key at most.
    """

    make: Callable[[Order], Effect]
    unit: str = ""
    least: float = 0.0
    most: float = 0.0
    steps: tuple[float, ...] = ()
    options: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


KINDS: Mapping[str, Kind] = {
    "noise": Kind(
        make=lambda order: Noise(name=order.name, snr_db=order.strength, sound=order.option),
        unit="dB",
        least=-40,
        most=80,
        options={"sound": tuple(COLOURS)},
    ),
    "babble": Kind(
        make=lambda order: babble_of(order.corpus, order.name, order.strength), unit="dB", least=-40, most=80
    ),
    "room": Kind(make=lambda order: Room(name=order.name, rt60_s=order.strength), unit="s", least=0.01, most=20),
    "telephone": Kind(make=lambda order: Telephone(name=order.name, law=order.option), options={"law": tuple(LAWS)}),
    "mp3": Kind(
        make=lambda order: Codec(name=order.name, kbps=order.strength, codec="mp3"),
        unit="kbps",
        least=MP3_KBPS[0],
        most=MP3_KBPS[-1],
        steps=MP3_KBPS,
    ),
    "opus": Kind(
        make=lambda order: Codec(name=order.name, kbps=order.strength, codec="opus"), unit="kbps", least=6, most=256
    ),
    "speed": Kind(make=lambda order: Speed(name=order.name, factor=order.strength), unit="x", least=0.1, most=10),
    "gain": Kind(make=lambda order: Gain(name=order.name, gain_db=order.strength), unit="dB", least=-120, most=120),
    "clipping": Kind(
        make=lambda order: Clipping(name=order.name, percent=order.strength), unit="%", least=0.01, most=99
    ),
    "pause": Kind(
        make=lambda order: Pause(name=order.name, pause_s=order.strength, place=order.option),
        unit="s",
        least=0.001,
        most=3600,
        options={"place": tuple(PLACES)},
    ),
    "cut": Kind(make=lambda order: Cut(name=order.name, cut_s=order.strength), unit="s", least=0.001, most=3600),
}
