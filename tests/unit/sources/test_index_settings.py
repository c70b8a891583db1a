"""Which package index is asked, and how: what pip is configured with."""

import sys
from pathlib import Path

import pytest
from pypi_simple import PYPI_SIMPLE_ENDPOINT

from modellab.sources.index import index_settings, parse_config, settings_from, without_secrets


def test_the_public_index_is_asked_where_pip_is_not_configured() -> None:
    """Without any configuration the index is PyPI, certificates are checked, and the timeout is pip's."""
    settings = settings_from({})
    assert (settings.urls, settings.ca_bundle, settings.timeout_s) == ((PYPI_SIMPLE_ENDPOINT,), None, 15.0)


def test_the_environment_goes_before_the_command_and_that_before_all() -> None:
    """`:env:` beats `install.`, and that beats `global.`, key by key."""
    settings = settings_from(
        {
            "global.index-url": "https://global.test/simple",
            "install.index-url": "https://install.test/simple",
            ":env:.index-url": "https://env.test/simple",
            "install.timeout": "3",
            ":env:.default-timeout": "180",
            "global.cert": "/etc/ca.pem",
        }
    )
    assert settings.urls == ("https://env.test/simple",)
    assert (settings.timeout_s, settings.ca_bundle) == (3.0, "/etc/ca.pem")


def test_more_indexes_follow_the_first_and_only_web_addresses_count() -> None:
    """Extra indexes are tried after the first one, once each; folders are left to pip."""
    settings = settings_from(
        {
            "global.index-url": "https://a.test/simple",
            "global.extra-index-url": "file:///srv/simple https://b.test/simple\nhttps://a.test/simple",
        }
    )
    assert settings.urls == ("https://a.test/simple", "https://b.test/simple")


def test_no_index_means_none() -> None:
    """Where pip may ask no index, nobody else does."""
    assert settings_from({"global.no-index": "true"}).urls == ()


def test_trusted_hosts_are_those_named() -> None:
    """Certificates go unchecked for the hosts that the user named, with or without a port, and for no other."""
    settings = settings_from({"global.trusted-host": "a.test b.test:8443"})
    trusted = ["https://a.test/simple", "https://user:secret@a.test:99/x", "https://b.test:8443/"]
    assert all(settings.trusts(url) for url in trusted)
    assert not any(settings.trusts(url) for url in ("https://b.test/", "https://c.test/a.test"))


def test_a_listing_is_read_as_pip_prints_it() -> None:
    """Values are quoted as Python texts; lines that are none are left out."""
    listing = "global.index-url='https://a.test/simple'\n:env:.timeout='9'\n\nnonsense\n"
    assert parse_config(listing) == {"global.index-url": "https://a.test/simple", ":env:.timeout": "9"}


def test_pip_of_this_interpreter_is_asked(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A configuration file that pip is told to read is followed, and the environment goes before it."""
    config = tmp_path / "pip.conf"
    config.write_text("[global]\nindex-url = https://file.test/simple\ncert = /file.pem\n")
    monkeypatch.setenv("PIP_CONFIG_FILE", str(config))
    monkeypatch.setenv("PIP_CERT", "/env.pem")
    monkeypatch.delenv("PIP_INDEX_URL", raising=False)
    settings = index_settings()
    assert (settings.urls[0], settings.ca_bundle) == ("https://file.test/simple", "/env.pem")


def test_the_environment_is_read_where_there_is_no_pip(monkeypatch: pytest.MonkeyPatch) -> None:
    """In an environment without pip, the PIP_* variables still count."""
    monkeypatch.setattr(sys, "executable", "/nowhere/python")
    monkeypatch.setenv("PIP_INDEX_URL", "https://env.test/simple")
    monkeypatch.delenv("PIP_EXTRA_INDEX_URL", raising=False)
    assert index_settings().urls == ("https://env.test/simple",)


def test_passwords_are_not_printed() -> None:
    """An address in a message has no user name or password in it."""
    assert without_secrets("no https://me:pw@a.test/simple") == "no https://a.test/simple"
