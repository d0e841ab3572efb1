#!/usr/bin/python
# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: plan_service
short_description: Decide what a host's Ollama needs, from what is wanted and what is there
version_added: 0.1.0
author:
  - llmfleet authors (@llmfleet)
description:
  - Turns the variables of role C(ollama) and a look at the host into problems, the archives of the release with their sources and checksums,
    files with mode and content and which of them differ, the environment, the door, whether the server must restart, and all that would change.
  - Runs on the controller only. It opens no connection to the host and changes nothing; the role does what it says.
  - The same input always gives the same plan.
extends_documentation_fragment: [llmfleet.ollama.on_controller, llmfleet.ollama.read_only]
options:
  wish:
    description:
      - Variables of role C(ollama) and C(llm_registry), by their names. Those that are not given are the host's own.
    type: dict
    default: {}
  look:
    description:
      - What is there; by default the host's own C(ansible_facts.look).
    type: dict
  facts_only:
    description:
      - Judge what can be judged from the variables and the facts alone, before any look, and say which archives the host will want.
        What is told so may miss an accelerator that only the host itself finds.
      - Where the facts hold a look of this run, say too until when nothing is to be done for the host, and set the facts of a host that is so.
    type: bool
    default: false
  release_only:
    description:
      - Plan only that the release lies in its directory, whatever the host's own server runs. Sets no fact. Linux only.
    type: bool
    default: false
  mirror_list:
    description:
      - C(sha256sum.txt) of this release on the fleet's mirror, as text or as M(ansible.builtin.slurp) has read it, or not.
        What it names comes from there, against these checksums.
    type: raw
    default: ""
  fail_on_problem:
    description:
      - Fail when there are problems, with their sentences.
    type: bool
    default: true
attributes:
  facts:
    description: Sets C(ansible_facts.service_plan), in which the values of secrets are hidden.
    support: full
seealso:
  - module: llmfleet.ollama.plan_models
"""

EXAMPLES = r"""
- name: Decide what Ollama needs on this host
  llmfleet.ollama.plan_service:
    look: "{{ ansible_facts['look'] }}"
  register: planned

- name: Say what would change
  ansible.builtin.debug:
    msg: "{{ planned.service.changes }}"
"""

RETURN = r"""
announce:
  description:
    - What the host tells the fleet, or null. C(release) as a mirror is asked for it, C(download) as M(llmfleet.ollama.plan_downloads) takes it,
      and C(models_dir).
  returned: with O(facts_only)
  type: dict
settled_until:
  description: Until when nothing is to be done for the host, in seconds since 1970. V(0) where something is, or where nobody has looked in this run.
  returned: with O(facts_only), when nothing is refused
  type: int
ansible_facts:
  description: The plan as a fact. Without RV(service.steps), and without the values of secrets.
  returned: success
  type: dict
  contains:
    service_plan:
      description: As RV(service).
      returned: always
      type: dict
    ollama:
      description: What role C(ollama) tells when it is done; only of a host where nothing is to be done, with O(facts_only).
      returned: while RV(settled_until) is in the future
      type: dict
serves:
  description: What role C(ollama) tells as the fact C(ollama) when the plan has come true; in check mode, what is there. Null where nothing shall serve.
  returned: as RV(service), without O(facts_only) and O(release_only)
  type: dict
problems:
  description: Why the host cannot have what is wanted; each with C(id), C(variable) and C(say).
  returned: failure, with O(fail_on_problem)
  type: list
  elements: dict
service:
  description: The plan.
  returned: success, but not while RV(settled_until) is in the future
  type: dict
  contains:
    problems:
      description: As RV(problems).
      returned: always
      type: list
      elements: dict
    warnings:
      description: What works, and not as one would think.
      returned: always
      type: list
      elements: str
    release:
      description: C(version), C(archives) (each with C(name), C(url), C(sha256), C(proxied)), and whether it is C(complete) on the host.
      returned: always
      type: dict
      sample: {version: 0.32.15, complete: true, archives: []}
    files:
      description: Files of ours, each with C(path), C(mode), C(content), C(differs), C(part) and C(secret).
      returned: always
      type: list
      elements: dict
    environment:
      description: The environment of the server.
      returned: always
      type: dict
    door:
      description: Whether the port is C(guarded), and who may come in (C(ipv4), C(ipv6)).
      returned: always
      type: dict
    addresses:
      description: Where it listens (C(bind)), where the host itself (C(local)) and its command line (C(cli)) reach it, and others (C(url)).
      returned: always
      type: dict
    restart:
      description: Whether the server must be restarted.
      returned: always
      type: bool
    before:
      description: C(version) and C(url) of what serves now; null when nothing does.
      returned: always
      type: dict
    changes:
      description: What would change, in words; empty when the host is as it shall be.
      returned: always
      type: list
      elements: str
    steps:
      description: What only the tasks of the role read.
      returned: always
      type: dict
"""
