# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""An Open WebUI of the test."""

from __future__ import annotations

from support.configuring import configure, webui

__all__ = ["configure", "webui"]
