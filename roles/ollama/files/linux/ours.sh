#!/bin/sh
# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Says whether a user is one as the role makes it: "user", and "group" where the group is its own. A person's account, or that of another
# service, has another home. Arguments: user, group, the home that the role gives.
entry=$(getent passwd "$1") || exit 0
[ "$(echo "$entry" | cut -d : -f 6)" = "$3" ] || exit 0
echo user
[ "$(getent group "$2" | cut -d : -f 3)" != "$(echo "$entry" | cut -d : -f 4)" ] || echo group
