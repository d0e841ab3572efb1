#!/bin/sh
# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# A release whose migration goes wrong half-way: it has already rewritten the database and never becomes ready.
python - <<'PYTHON'
import os
import sqlite3

import psycopg

address = os.environ.get("DATABASE_URL")
database = psycopg.connect(address) if address else sqlite3.connect("/app/backend/data/webui.db")
database.execute("DELETE FROM chat")
database.execute("UPDATE alembic_version SET version_num = 'f00dfeedf00d'")
database.execute("CREATE TABLE half_migrated (id INTEGER)")
database.commit()
PYTHON
echo "the migration failed on purpose" >&2
exec sleep infinity
