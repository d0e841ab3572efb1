# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A registry and an Ollama of the test."""

from __future__ import annotations

from support.converging import converge, ollama, options, registry

__all__ = ["converge", "ollama", "options", "registry"]
