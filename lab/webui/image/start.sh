#!/bin/sh
# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# The published image honours HOST and PORT in its own start.sh; so does this one.
exec open-webui serve --host "${HOST:-0.0.0.0}" --port "${PORT:-8080}"
