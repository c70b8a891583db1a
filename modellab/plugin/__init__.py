"""The pytest plugin. It sleeps unless the project's configuration names a folder of fixtures (`modellab_fixtures`)."""

from pathlib import Path

import pytest

MARKERS = (
    "accuracy: what a model hears; may run beside others (-m accuracy -n auto)",
    "timing: how fast a model hears; must run alone (-m timing -n 0)",
    "performance: what deployment meets, scenario by scenario; must run alone (-m performance -n 0)",
    "judged_by(*budgets): the budgets that a claim is about; where none is set, the claim is left out",
)


def pytest_addoption(parser: pytest.Parser) -> None:
    """Declare the bench's options."""
    from modellab.plugin.choice import add_options

    add_options(parser)


def pytest_configure(config: pytest.Config) -> None:
    """Set the bench up where the project has one."""
    for marker in MARKERS:
        config.addinivalue_line("markers", marker)
    folder = config.getini("modellab_fixtures")
    if folder:
        from modellab.plugin.setup import set_up

        set_up(config, Path(config.rootpath) / folder)


def pytest_collect_file(file_path: Path, parent: pytest.Collector) -> pytest.Collector | None:
    """Take the verdicts of a gate for tests."""
    if file_path.name != "verdicts.json":
        return None
    from modellab.plugin.gates import GateFile

    return GateFile.from_parent(parent, path=file_path)
