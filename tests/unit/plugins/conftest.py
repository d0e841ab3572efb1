# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Its presence lets the tests below import looks.py, whichever folder they are in: pytest puts the folder of a conftest on the path."""
