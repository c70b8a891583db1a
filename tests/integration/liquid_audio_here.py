"""liquid-audio on the Python of these tests, where its own environment was not made.

The package asks for Python 3.12, for two lines of its syntax, and for torchaudio, for resampling what is at 16 kHz
already. Here it is installed without what it asks for beside the packages of this environment, those lines are written
in older words, and resampling does nothing. It is the real loader and the real model for all that a test asks of them.
"""

import re
import subprocess
import sys
import sysconfig
import venv
from pathlib import Path

PACKAGES = ("accelerate>=1.10", "einops>=0.8", "librosa>=0.11", "sentencepiece>=0.2")
LIQUID_AUDIO = "liquid-audio==1.3.0"
OLDER = (
    (re.compile(r"^type (\w+) = .*$", re.MULTILINE), r"\1 = object"),
    (re.compile(r"^(def \w+)\[\w+: .*?\]\(", re.MULTILINE), r"\1("),
)
TORCHAUDIO = """
class functional:
    @staticmethod
    def resample(wave, before_hz, after_hz):
        assert before_hz == after_hz, "this is no torchaudio"
        return wave
"""


def install(folder: Path) -> None:
    """Make an environment in a folder, of the packages that are here and liquid-audio with what it lacks."""
    venv.create(folder, with_pip=False, symlinks=True)  # pip is lent, too
    python = python_of(folder)
    (site,) = (folder / "lib").glob("python*/site-packages")
    (site / "lent.pth").write_text(f"{sysconfig.get_path('purelib')}\n{Path(__file__).parents[2]}\n")
    for words in (PACKAGES, ("--no-deps", "--ignore-requires-python", LIQUID_AUDIO)):
        pip = (str(python), "-m", "pip", "--disable-pip-version-check", "install", "--quiet", "--no-compile", *words)
        subprocess.run(pip, check=True, timeout=600, capture_output=True)
    if sys.version_info < (3, 12):
        for path in (site / "liquid_audio").rglob("*.py"):
            path.write_text(_in_older_words(path.read_text()))
    (site / "torchaudio.py").write_text(TORCHAUDIO)


def python_of(folder: Path) -> Path:
    """Give the interpreter of an environment."""
    return folder / "bin" / "python"


def _in_older_words(text: str) -> str:
    for pattern, words in OLDER:
        text, times = pattern.subn(words, text)
        if times and "from __future__ import annotations" not in text:
            text = f"from __future__ import annotations\n{text}"
    return text
