"""Team: what becomes of processes that die while they are lent, while they are idle, and while the team is closed."""

import threading
import time
from collections.abc import Callable
from typing import Any, cast

import pytest

from modellab.errors import PoolBusy, WorkerFailed, WorkForgone
from modellab.machine.clock import MONOTONIC
from modellab.measuring.worker import Worker
from modellab.server.hearing.team import Team

PATIENCE_S = 30.0


class Puppet:
    """A worker without a process, that lives, dies and fails as it is told; `turn` lets its next load go on."""

    def __init__(self) -> None:
        self.alive, self.fails, self.loads = False, False, 0
        self.turn = threading.Event()
        self.turn.set()

    def load(self) -> None:
        """Come to life, or fail."""
        self.turn.wait(PATIENCE_S)
        if self.fails:
            raise WorkerFailed("told to fail", stage="load", kind="Told")
        self.alive = True
        self.loads += 1

    def close(self) -> None:
        """Die."""
        self.alive = False


def team_of(*puppets: Puppet) -> Team:
    """Give a loaded team."""
    team = Team(cast("list[Worker]", [*puppets]))
    team.load()
    return team


def until(holds: Callable[[], Any]) -> None:
    """Wait until something holds."""
    deadline_s = MONOTONIC() + PATIENCE_S
    while not holds():
        assert MONOTONIC() < deadline_s, "it never held"
        time.sleep(0.005)


def test_one_that_died_idle_costs_nobody() -> None:
    """A process that died while nobody used it is not lent: another is, and it is loaded anew meanwhile."""
    idle, other = Puppet(), Puppet()
    team = team_of(other, idle)
    idle.alive = False
    with team.borrow(5) as lent:
        assert lent.alive
        until(lambda: idle.loads == 2)


def test_one_that_dies_while_it_is_lent_leaves_the_team_alive() -> None:
    """It is loaded anew once it is given back, so that the pool does not close the team under those who wait."""
    only = Puppet()
    team = team_of(only)
    with team.borrow(5):
        only.alive = False
        assert team.alive
    with team.borrow(PATIENCE_S) as lent:
        assert lent.alive


def test_a_closed_team_stays_closed() -> None:
    """Of two that are loaded anew while the team is closed one fails, and the other ends as soon as it is loaded."""
    failing, late = Puppet(), Puppet()
    team = team_of(failing, late)
    with team.borrow(5), team.borrow(5):
        for each in (failing, late):
            each.alive = False
            each.turn.clear()
    team.close()
    failing.fails = True
    failing.turn.set()
    until(lambda: team._away == 1)
    late.turn.set()
    until(lambda: late.loads == 2 and not late.alive)
    assert not team.alive


def test_a_team_that_cannot_be_loaded_anew_is_dead() -> None:
    """Who waits for its only process is told at once that there is none."""
    only = Puppet()
    team = team_of(only)
    with team.borrow(5):
        only.alive, only.fails = False, True
    with pytest.raises(PoolBusy), team.borrow(PATIENCE_S):
        pass
    assert not team.alive


def test_who_is_gone_waits_no_longer() -> None:
    """A borrower that went away is sent away at the next stir; one that did not goes on waiting."""
    team, gone, came = team_of(Puppet()), threading.Event(), list[Exception]()

    def borrow() -> None:
        try:
            with team.borrow(2 * PATIENCE_S, gone.is_set):
                pass
        except WorkForgone as error:
            came.append(error)

    with team.borrow(5):
        waiting = threading.Thread(target=borrow)
        waiting.start()
        team.stir()
        assert waiting.is_alive()
        gone.set()
        team.stir()
        waiting.join(PATIENCE_S)
        assert len(came) == 1
