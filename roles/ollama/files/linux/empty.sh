#!/bin/sh
# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Empties a directory that is a mount point: it cannot be removed, and the disk behind it is not ours. Argument: the directory.
# Prints "mounted" and what it removed, or nothing for any other directory.
set -e
mountpoint -q "$1" || exit 0
echo mounted
find "$1" -mindepth 1 -maxdepth 1 ! -name lost+found -print -exec rm -rf {} +
