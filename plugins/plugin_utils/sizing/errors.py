# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What sizing refuses, each with one sentence."""

from __future__ import annotations


class BadInput(ValueError):
    """One sentence for the operator."""


class MetadataError(ValueError):
    """The metadata lack something without which no memory can be told."""
