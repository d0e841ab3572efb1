# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Why a new Ollama could not be had or does not serve, and what serves now, in one message for people."""

from __future__ import annotations

import dataclasses
import re
import typing

# So many of a server's last lines are told.
LAST_WORDS = 6


@dataclasses.dataclass(frozen=True)
class Attempt:
    """What a run knows when its new server did not pass.

    service: the decision as a dict (contract.Service.to_dict), made before the first change. record: what served before as the host has it, which knows the
    version of a server that no look asked; None without one. proof, back: results of waiting for the new and for the old server, {} where nobody waited.
    task, result: what failed. lines: of the log, on Linux each behind the number of its process. pid: of the server that ran before. touched: link or
    configuration were changed. stores, store: where models are, and where they shall be.
    """

    system: str
    service: typing.Mapping[str, typing.Any]
    version: str
    port: int
    seconds: int
    proof: typing.Mapping[str, typing.Any]
    back: typing.Mapping[str, typing.Any]
    task: str
    result: typing.Mapping[str, typing.Any]
    lines: typing.Sequence[str] = ()
    pid: typing.Optional[int] = None
    touched: bool = False
    stores: typing.Sequence[str] = ()
    store: str = ""
    record: typing.Optional[typing.Mapping[str, typing.Any]] = None


def told(failure):
    """The whole message."""
    return " ".join(part for part in (_why(failure), _words(failure), _now(failure), _models(failure)) if part)


def _answered(waited):
    """(version, status) of a wait; PowerShell has its answer one level deeper and no status."""
    said = waited.get("result") or waited
    return str(said.get("version") or ""), said.get("status")


def _served(failure):
    """The version that answered before; '' where nobody knows it, and then any will do."""
    return ((failure.record or {}).get("before") or failure.service["before"] or {}).get("version") or ""


def _is_back(failure):
    """Whether what serves now is what served before: the same question on every system."""
    version, status = _answered(failure.back)
    return bool(version) and status in (None, 200) and _served(failure) in ("", version)


def _why(failure):
    """With a semicolon behind it where its last words follow."""
    url, named = failure.service["addresses"]["local"], "Ollama %s (ollama_version)" % failure.version
    version, status = _answered(failure.proof)
    if version and version != failure.version:
        return "At %s a server answers with version %s instead of %s (ollama_version)." % (url, version, failure.version)
    if status == 200 and not version:
        return "At %s a server answers that is not Ollama; ollama_port %s is in use." % (url, failure.port)
    if failure.result.get("fetching"):
        return str(failure.result.get("msg"))
    if not failure.proof:
        return "%s could not be set up: %s: %s." % (named, failure.task, _reason(failure.result))
    # A server that is started again and again is not waited for.
    ended = failure.proof.get("ended") or 0
    how = "and ended %s times within %s s" % (ended, failure.proof.get("seconds")) if ended else "within %s s" % failure.seconds
    if status and not ended:
        how += " with more than HTTP status %d" % status
    return "%s did not answer at %s %s%s" % (named, url, how, ";" if _last(failure) else ".")


def _last(failure):
    if failure.system != "linux":
        return list(failure.lines)[-LAST_WORDS:]
    # The server from before has its words in the same journal, and systemd's own (process 1) help only where the server itself said nothing.
    spoken = [line.partition(" ")[::2] for line in failure.lines]
    new = [(process, text) for process, text in spoken if process != str(failure.pid)]
    own = [text for process, text in new if process != "1"] or [text for _process, text in new]
    return list(dict.fromkeys(own))[-LAST_WORDS:]


def _words(failure):
    lines = _last(failure)
    unanswered = _why(failure).endswith(";")
    # On Linux the journal begins long before this run. And no server was started for a release that could not be had.
    if not lines or failure.result.get("fetching") or (failure.system == "linux" and not unanswered):
        return ""
    said = re.sub("[.]$", "", " / ".join(lines))
    return "%s last words: %s." % ("its" if unanswered else "Its", said)


def _now(failure):
    steps, before = failure.service["steps"], failure.service["before"]
    if failure.result.get("fetching") and not failure.touched:
        # It has said so.
        return ""
    if not steps["had_server"]:
        return "There was no server before, so nothing runs now; the models directory stays."
    if not failure.touched:
        # The look of this run has asked it, if it listens where the look asked.
        asked = before is None or steps["back_url"] == failure.service["addresses"]["local"]
        silent = asked and (not (before or {}).get("version") or (failure.proof and not _answered(failure.proof)[0]))
        return "The server from before was not touched%s." % (", and does not answer" if silent else " and goes on")
    version, status = _answered(failure.back)
    if _is_back(failure):
        return "%s is back and serves at %s." % (version, steps["back_url"])
    files = "The files of %s are back, but" % (steps["old_version"] or "the server from before")
    if version and status in (None, 200):
        return "%s at %s a server answers with version %s." % (files, steps["back_url"], version)
    return "%s it does not answer%s" % (files, "." if before else ", as it did not before.")


def _models(failure):
    if not failure.stores or failure.service["steps"]["models_move"] != "move":
        return ""
    return "The models are whole in %s; what %s has got of them waits for the next run." % (" and ".join(failure.stores), failure.store)


# What is wrong with the host's disk and not with the release.
_WAYS_OUT = (
    ("no space left|quota exceeded", "make room on the disk of ollama_install_dir, or choose another directory"),
    ("read-only file system", "mount the disk of ollama_install_dir writable, or choose another directory"),
)


def lines(log):
    """The last lines of a server, of the result of a task that has read them."""
    return log.get("stdout_lines") or (log.get("result") or {}).get("last_words") or []


def not_fetched(service, version, checksum, result):
    """The message where a release could not be had. result: of the task or the loop that failed."""
    old = service["steps"]["old_version"]
    reason = _reason(result)
    usual = "correct ollama_version%s, or choose another ollama_download_base_url" % (" or ollama_download_checksum" if checksum else "")
    said = "Ollama %s (ollama_version) could not be had from %s: %s; %s." % (
        version, service["steps"]["sources"], reason, next((way for words, way in _WAYS_OUT if re.search(words, reason, re.I)), usual),
    )
    if service["steps"].get("open"):
        # A run that was cut off has changed what this one goes back to.
        return said
    return "%s Nothing was changed%s." % (said, "; %s goes on" % old if old else "")


def not_settled(service, version, task, result):
    """The message where a step behind the proof failed. Nobody goes back then: the new server serves."""
    return "Ollama %s (ollama_version) answers at %s, but the run did not come to its end behind that: %s: %s. The next run goes on from there." % (
        version, service["addresses"]["local"], task, _reason(result),
    )


def is_proved(failure):
    """Whether nothing is left to go back to, so that the record of the change may go."""
    if not failure.touched or not failure.service["steps"]["had_server"] or failure.service["before"] is None:
        return True
    return _is_back(failure)


def serves(failure):
    """The fact of a host whose old server came back, or was never touched; null where there was none."""
    service, steps = failure.service, failure.service["steps"]
    if not steps["had_server"]:
        return None
    return {
        "version": steps["old_version"], "previous_version": steps.get("previous_before", ""), "url": service["addresses"].get("url", ""),
        "rolled_back": failure.touched,
    }


def is_taken_away(failure):
    """Whether what a first installation has made goes again; where the release could not be had, nothing was made."""
    return not failure.service["steps"]["had_server"] and (failure.touched or not failure.result.get("fetching"))


def _reason(result):
    """Without a full stop. Of a loop that of the entry that failed, which is named; tar's own words stand beside Ansible's."""
    failed = next((entry for entry in result.get("results") or [result] if entry.get("failed")), result)
    unpacked = str((failed.get("extract_results") or {}).get("err") or "").strip().partition("\n")[0]
    said = [failed.get("stderr") or failed.get("msg") or "no reason given", failed.get("response") or "", unpacked]
    return ": ".join(re.sub("[.]$", "", str(text).strip()) for text in (_item(failed), *said) if text)


def _item(failed):
    """What a loop was at, by its name alone: a file's content may be a secret."""
    item = failed.get(failed.get("ansible_loop_var") or "")
    if isinstance(item, dict):
        item = next((item[name] for name in ("path", "name", "url") if item.get(name)), "")
    return item if isinstance(item, str) else ""
