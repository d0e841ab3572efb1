# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs ansible-test sanity, minutes of one core, behind the tests of other folders where such are selected; its own test comes last then."""

from __future__ import annotations

from pathlib import Path

import pytest
import sanity
from support import behind

WAITED_FOR = pytest.StashKey()


def is_sanity(item) -> bool:
    return "sane" in getattr(item, "fixturenames", ())


def has_others(items) -> bool:
    return any(Path(item.path).parent != Path(__file__).parent for item in items)


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items):
    if has_others(items):
        items.sort(key=is_sanity)


@pytest.hookimpl(trylast=True)
def pytest_collection_finish(session):
    if session.config.option.collectonly or not has_others(session.items) or not any(map(is_sanity, session.items)):
        return
    jobs = behind.of(session.config)
    session.config.stash[WAITED_FOR] = jobs.add(behind.PAIR, sanity.run).result
    if not jobs.busy():
        jobs.work(behind.PAIR)


@pytest.fixture
def sane(request):
    """Gives the finished ansible-test."""
    return request.config.stash.get(WAITED_FOR, sanity.run)
