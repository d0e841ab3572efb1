# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Files of ours from templates that hold text and places for values: what is decided is decided before."""

from __future__ import annotations

import functools
import os

import jinja2

TEMPLATES = os.path.join(os.path.dirname(os.path.abspath(__file__)), "templates")


@functools.cache
def _environment():
    # As ansible.builtin.template reads them.
    return jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES), undefined=jinja2.StrictUndefined, trim_blocks=True, keep_trailing_newline=True, autoescape=False,
    )


def render(name, **values):
    """The content of templates/<name> with its values; one that it wants and does not get is an error."""
    return _environment().get_template(name).render(**values)
