#!/bin/sh
# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Removes directories that are empty now, and lets systemd forget what lay in them. Arguments: the directories.
for dir; do rmdir --ignore-fail-on-non-empty "$dir" 2>/dev/null; done
systemctl daemon-reload
