# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a module says instead of doing its work."""

from __future__ import annotations


class Failure(Exception):
    """One sentence for the person: what is wrong, where, and what to do."""
