"""Backends that are installed for one test, as anybody's package would install one."""

import sys
from collections.abc import Callable
from pathlib import Path

import pytest


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """An installer of a package with one module and the entry points that name its backends."""

    def put(entry_points: str, module: str = "", requires: str = "") -> None:
        site = tmp_path / "site"
        about = site / "house_brand-1.0.dist-info"
        about.mkdir(parents=True)
        needs = "".join(f"Requires-Dist: {line}\n" for line in requires.splitlines())
        (about / "METADATA").write_text(f"Metadata-Version: 2.1\nName: house-brand\nVersion: 1.0\n{needs}")
        (about / "entry_points.txt").write_text(f"[modellab.backends]\n{entry_points}\n")
        (site / "house_brand.py").write_text(module)
        monkeypatch.delitem(sys.modules, "house_brand", raising=False)
        monkeypatch.syspath_prepend(site)

    return put
