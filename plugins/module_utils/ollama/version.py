# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Releases of Ollama as numbers that can be compared."""

from __future__ import annotations

import re

_RELEASE = re.compile(r"v?(\d+)\.(\d+)(?:\.(\d+))?(?:[-+.].*)?$")


def version_tuple(text):
    """`v0.9.3`, `0.33.0-rc2`, `0.5.4-ipexllm-20250407` to (0, 9, 3): a build or a pre-release counts as its release. () for what is none."""
    match = _RELEASE.match(str("" if text is None else text).strip())
    return tuple(int(part or 0) for part in match.groups()) if match else ()
