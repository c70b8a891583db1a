"""Requirement: which versions of its runtime a backend is for, by the package that offers it, and what is here."""

import re
from importlib.metadata import Distribution, PackageNotFoundError, version

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

_EXTRA = re.compile(r"""extra == ["']([^"']+)["']""")
_ALL = "all"


def unmet(package: str, offered_by: Distribution | None) -> str | None:
    """Say what of a runtime is missing or of another version than its backend is for, and the command that helps.

    Args:
        package: the distribution of the runtime.
        offered_by: the distribution that offers the backend; what it requires, itself or by an extra, is what counts.
    """
    wanted = _wanted(package, offered_by)
    asked = f"{package}{wanted.specifier if wanted else ''}"
    remedy = f"pip install {_remedy(wanted, asked, offered_by)!r}"
    try:
        found = version(package)
    except PackageNotFoundError:
        return f"needs package {package!r}: {remedy}"
    if wanted and not wanted.specifier.contains(found, prereleases=True):
        return f"needs {asked}, and {found} is installed: {remedy}"
    return None


def _wanted(package: str, offered_by: Distribution | None) -> Requirement | None:
    """Give the requirement that names a package: one of an extra of its own goes before that of the extra of all."""
    found = [Requirement(written) for written in (offered_by.requires if offered_by else None) or ()]
    own = [each for each in found if canonicalize_name(each.name) == canonicalize_name(package)]
    return min(own, key=lambda each: _extra(each) == _ALL, default=None)


def _extra(requirement: Requirement) -> str | None:
    named = _EXTRA.search(str(requirement.marker or ""))
    return named[1] if named else None


def _remedy(wanted: Requirement | None, asked: str, offered_by: Distribution | None) -> str:
    extra = _extra(wanted) if wanted else None
    return f"{offered_by.name}[{extra}]" if extra and offered_by else asked
