# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is taken where nobody says anything."""

from __future__ import annotations

# The release of Ollama that is installed, and that a plan sizes for.
OLLAMA_VERSION = "0.32.15"
