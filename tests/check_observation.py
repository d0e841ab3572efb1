# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Interpret one raw observation and hold the fact against the schema; for machines that only hosted runners have.

    PYTHONPATH=collections python tests/check_observation.py FILE    # from a file: Windows
    PYTHONPATH=collections python tests/check_observation.py         # probe this machine: macOS, Linux
"""

from __future__ import annotations

import json
import pathlib
import sys

import jsonschema
from ansible_collections.llmfleet.ollama.plugins.module_utils.accelerators import fact, redact

SCHEMA = pathlib.Path(__file__).parents[1] / "plugins/module_utils/accelerators/vram.schema.json"


def observation():
    if len(sys.argv) > 1:
        return json.loads(pathlib.Path(sys.argv[1]).read_text(encoding="utf-8-sig"))
    from ansible_collections.llmfleet.ollama.plugins.module_utils.probe import observe

    options = {name: entry["default"] for name, entry in observe.ARGUMENTS.items()}
    return observe.observe(dict(options, filesystems=["/"]))


def main():
    raw = observation()
    found = fact.interpret(raw)
    jsonschema.Draft202012Validator(json.loads(SCHEMA.read_text(encoding="utf-8"))).validate(found)
    print(json.dumps({"observation": redact.redact(raw), "fact": found}, indent=1))
    tripped = [warning["message"] for warning in found["warnings"] if warning["code"] == "probe_failed"]
    broken = [probe for probe in found["probes"] if probe["status"] in ("crashed", "timeout")]
    if tripped or broken or not found["system_memory"]["total_bytes"]:
        sys.exit("The probe did not work on this machine: %s" % (tripped or broken or "it found no system memory"))


if __name__ == "__main__":
    main()
