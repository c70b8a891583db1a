"""The rooms of the house: who may import whom. `design.md` says why."""

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[2] / "modellab"

# Lowest first. A room imports from itself and from the rows above it in this list; never from another on its own row.
ROWS: tuple[tuple[str, ...], ...] = (
    ("errors", "whole", "write_ahead"),
    ("speech",),
    ("scoring",),
    ("sources",),
    ("checkpoints",),
    ("conditions",),
    ("corpora",),
    ("backends",),
    ("records",),
    ("machine",),
    ("measuring",),
    ("environments",),
    ("scenarios", "pool"),
    ("defaults", "roster"),
    ("arms",),
    ("verdicts",),
    ("reporting",),
    ("gating",),
    ("scale",),
    ("plugin",),
    ("server",),
    ("commands",),
    ("cli", "contract", "testing"),
)
ROW_OF = {room: row for row, rooms in enumerate(ROWS) for room in rooms}

# Rooms that may import less than what stands above them: the values of an old run are enough to report on it.
NARROWER = {"reporting": {"errors", "whole", "speech", "scoring", "backends", "records", "verdicts"}}

SHARED_AMONG_BACKENDS = {"base", "device", "registry", "requirement", "spec"}
RUNTIMES = {"torch", "whisper", "faster_whisper", "ctranslate2", "transformers", "_pywhispercpp"}
MAY_IMPORT_RUNTIMES = ("backends.", "checkpoints.convert")
MAY_IMPORT_PYTEST = {"contract", "plugin", "testing"}


@dataclass(frozen=True)
class Import:
    """One import: the module that is named, the line, and when it happens."""

    module: str
    line: int
    when: str  # "module", "function" or "typing"


def module_name(path: Path) -> str:
    """Give a file's name below the package: `speech.audio`, `speech` for its `__init__`, "" for the package's own."""
    parts = path.relative_to(PACKAGE).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {module_name(path): path for path in sorted(PACKAGE.rglob("*.py"))}
EACH = pytest.mark.parametrize("module", [name for name in MODULES if name])


def imports_in(source: str) -> Iterator[Import]:
    """Give every import of a source, at the top, within functions and for type checking alike."""

    def walk(node: ast.AST, when: str) -> Iterator[Import]:
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.Import):
                yield from (Import(alias.name, child.lineno, when) for alias in child.names)
            elif isinstance(child, ast.ImportFrom):
                assert not child.level, f"line {child.lineno}: imports name their module in full"
                for alias in child.names:
                    whole = f"{child.module}.{alias.name}"
                    is_module = whole.removeprefix("modellab.") in MODULES
                    yield Import(whole if is_module else str(child.module), child.lineno, when)
            elif isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
                yield from walk(child, "function" if when == "module" else when)
            elif isinstance(child, ast.If) and "TYPE_CHECKING" in ast.unparse(child.test):
                for part in child.body:
                    yield from walk(ast.Module([part], []), "typing")
                for part in child.orelse:
                    yield from walk(ast.Module([part], []), when)
            else:
                yield from walk(child, when)

    yield from walk(ast.parse(source), "module")


def imports_of(module: str) -> list[Import]:
    """Give the imports of one of our modules."""
    return list(imports_in(MODULES[module].read_text(encoding="utf-8")))


def ours(module: str) -> list[tuple[str, Import]]:
    """Give the imports of a module that are of this package, by the name below it."""
    return [
        (found.module.removeprefix("modellab").removeprefix("."), found)
        for found in imports_of(module)
        if found.module.partition(".")[0] == "modellab"
    ]


def room(module: str) -> str:
    """Give the room that a module is in."""
    return module.partition(".")[0]


def test_the_imports_of_a_source_are_all_found() -> None:
    """The reading that these tests stand on sees imports at the top, in functions, in branches and for typing."""
    source = """
import os.path, torch as t
from modellab.speech import audio
from modellab.errors import BadAudio
try:
    import whisper
except ImportError:
    pass
if TYPE_CHECKING:
    from transformers import A
else:
    import ctranslate2
class C:
    import pytest
    def method(self):
        from faster_whisper.transcribe import B
        if True:
            async def inner():
                import modellab
"""
    assert [(found.module, found.when) for found in imports_in(source)] == [
        ("os.path", "module"),
        ("torch", "module"),
        ("modellab.speech.audio", "module"),
        ("modellab.errors", "module"),
        ("whisper", "module"),
        ("transformers", "typing"),
        ("ctranslate2", "module"),
        ("pytest", "module"),
        ("faster_whisper.transcribe", "function"),
        ("modellab", "function"),
    ]


def test_every_room_has_a_row() -> None:
    """Each folder and file of the package stands in the list of rooms."""
    assert {room(module) for module in MODULES if module} <= set(ROW_OF)


@EACH
def test_imports_point_down(module: str) -> None:
    """A module imports from its own room and from lower ones, never from one above or beside it."""
    for name, found in ours(module):
        here, there = room(module), room(name)
        if not there or here == there:
            continue
        assert there in ROW_OF, f"{module}:{found.line} imports {name}, which is in no room"
        assert ROW_OF[there] < ROW_OF[here], f"{module}:{found.line} imports {name}: {there} is not below {here}"
        if here in NARROWER:
            assert there in NARROWER[here], f"{module}:{found.line} imports {name}: {here} needs no {there}"


def test_no_modules_import_each_other_in_a_circle() -> None:
    """No chain of imports leads from a module back to itself, imports within functions counted."""
    graph = {module: {name for name, _ in ours(module) if name in MODULES and name != module} for module in MODULES}
    assert sum(map(len, graph.values())) > 50, "the imports of the package were not found"
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        pytest.fail(" -> ".join(error.args[1]))


@EACH
def test_backends_do_not_import_each_other(module: str) -> None:
    """Within `backends/`, only the base, the devices, the registry and the specs are imported."""
    if room(module) != "backends":
        return
    for name, found in ours(module):
        part = name.partition(".")[2]
        assert room(name) != "backends" or part in SHARED_AMONG_BACKENDS, f"{module}:{found.line} imports {name}"


@EACH
def test_nothing_inside_imports_the_package_itself(module: str) -> None:
    """What is inside the package is imported from where it is defined, not from the package's root."""
    assert [found.line for name, found in ours(module) if not name] == []


@EACH
def test_pytest_stays_in_the_plugin(module: str) -> None:
    """Only the plugin and the test tools import pytest, even for typing."""
    found = [found.line for found in imports_of(module) if found.module.partition(".")[0] in {"pytest", "_pytest"}]
    assert not found or room(module) in MAY_IMPORT_PYTEST


@EACH
def test_runtimes_are_imported_when_needed(module: str) -> None:
    """No module imports an inference runtime when it is imported itself."""
    early = [found for found in imports_of(module) if found.module.partition(".")[0] in RUNTIMES]
    assert [(found.module, found.line) for found in early if found.when == "module"] == []


@EACH
def test_runtimes_are_imported_by_backends_alone(module: str) -> None:
    """Only backends and the conversion of weights import an inference runtime at all."""
    found = [found.module for found in imports_of(module) if found.module.partition(".")[0] in RUNTIMES]
    assert not found or module.startswith(MAY_IMPORT_RUNTIMES)
