# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Prints the names of the migrations that an image of Open WebUI knows, wherever it keeps its package; nothing of it is started."""

from __future__ import annotations

import importlib.util
import pathlib
import re

folder = pathlib.Path(importlib.util.find_spec("open_webui").origin).parent / "migrations" / "versions"
print(*(name for file in folder.glob("*.py") for name in re.findall(r"^revision\b[^=]*=\s*.(\w+)", file.read_text(encoding="utf-8"), re.MULTILINE)))
