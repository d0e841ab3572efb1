# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The catalogue files beside this collection's plugins, read once per process."""

from __future__ import annotations

import functools
import glob
import os

import yaml

CATALOGUE = os.path.normpath(os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "catalogue"))
_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def _read(path):
    with open(path, encoding="utf-8") as stream:
        return yaml.load(stream, Loader=_LOADER)  # a SafeLoader either way


@functools.cache
def load(name):
    """One file of the catalogue: 'shapes', 'eras', 'environment', 'quality'."""
    return _read(os.path.join(CATALOGUE, name + ".yml"))


def load_all():
    """Every file that load() knows."""
    for path in glob.glob(os.path.join(CATALOGUE, "*.yml")):
        load(os.path.splitext(os.path.basename(path))[0])


@functools.cache
def families():
    """{family: its file's content} for every file of catalogue/families."""
    found = {}
    for path in sorted(glob.glob(os.path.join(CATALOGUE, "families", "*.yml"))):
        for family in _read(path):
            found[family["family"]] = family
    return found
