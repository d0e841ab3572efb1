#!/usr/bin/env python3
# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every benchmark, one after the other; each prints ratios within its own run. The lab must have been deployed (`make demo`)."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
BENCHES = (
    ("vram_facts.py",),
    ("plan_bench.py",),
    ("count_module_runs.py", "-i", str(HERE.parent / "inventories" / "lab"), str(HERE.parent / "site.yml"), "--at-most", "10"),
    ("scale.py",),
)


def main() -> int:
    failed = []
    for script, *arguments in BENCHES:
        print("== bench/%s" % script, flush=True)
        if subprocess.run([sys.executable, str(HERE / script), *arguments], cwd=HERE.parent, check=False).returncode:
            failed.append(script)
    print(f"Failed: {', '.join(failed)}; the lines above say why." if failed else "All benchmarks ran; no host needs more module runs than it may.")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
