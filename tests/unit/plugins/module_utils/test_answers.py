# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Deleted, each question to a server could cost a host with Python 3.9 (RHEL 9) 64 MiB and a tenth of a second again, whatever the answer is."""

from __future__ import annotations

import io

import pytest
from ansible_collections.llmfleet.ollama.plugins.module_utils import answers


class Answer(io.BytesIO):
    asked = 0

    def read(self, count):
        self.asked = max(self.asked, count)
        return super().read(count)


@pytest.mark.parametrize("length, limit, given", [(0, 9, 0), (2, 64 << 20, 2), (200000, 64 << 20, 200000), (200000, 131073, 131073), (9, 9, 9), (9, 0, 0)])
def test_what_is_there_comes_whole_up_to_the_limit_and_no_more_is_asked_at_once(length, limit, given):
    whole = bytes(range(250)) * (length // 250 + 1)
    answer = Answer(whole[:length])
    assert answers.up_to(answer, limit) == whole[:given] and answer.asked <= 1 << 16
