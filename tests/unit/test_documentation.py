"""Every public name says what it gives."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FILES = sorted((ROOT / "modellab").rglob("*.py"))

Documented = ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef


def public(node: Documented, name: str) -> Iterator[tuple[str, Documented]]:
    """Give a module's or class's public definitions, itself first; what is defined within functions is private."""
    yield name, node
    for child in node.body if isinstance(node, ast.Module | ast.ClassDef) else ():
        defined = isinstance(child, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)
        if defined and not child.name.startswith("_") and not _is_overload(child):
            yield from public(child, f"{name}.{child.name}")


def _is_overload(node: ast.AST) -> bool:
    return any(ast.unparse(mark).endswith("overload") for mark in getattr(node, "decorator_list", ()))


def faults(source: str, name: str) -> list[str]:
    """Give what is wrong with the docstrings of a source."""
    found = []
    for where, node in public(ast.parse(source), name):
        first = (ast.get_docstring(node) or "").partition("\n")[0]
        if not first:
            found.append(f"{where} has no docstring")
        elif not first.endswith((".", ":")):
            found.append(f"{where}: the first line is no sentence: {first!r}")
    return found


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_public_names_are_documented(path: Path) -> None:
    """Each public module, class, function, method and property has a docstring whose first line is a sentence."""
    assert faults(path.read_text(encoding="utf-8"), path.stem) == []


def test_what_is_not_documented_is_found() -> None:
    """The reading that these tests stand on sees what has no docstring, and passes over what is private."""
    source = '''
"""A module."""
class Public:
    """No sentence"""
    @property
    def value(self): ...
    async def method(self):
        """Do it."""
        def inner(): ...
    def _private(self): ...
    class Inner: ...
def _private(): ...
def function():
    """Give this:

    that."""
'''
    assert faults(source, "m") == [
        "m.Public: the first line is no sentence: 'No sentence'",
        "m.Public.value has no docstring",
        "m.Public.Inner has no docstring",
    ]
    assert faults("x = 1", "m") == ["m has no docstring"]
