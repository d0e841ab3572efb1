# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The table and the page as text; how the page behaves is tests/e2e/report/.

Without these tests a host could put a script or escape sequences into what the operator opens, the page could ask the network for
something, and the table could be wider than the terminal or hide the tag, which is the very thing that was chosen.
"""

from __future__ import annotations

import base64
import copy
import hashlib
import html.parser
import json
import re
import unicodedata

import pytest
from ansible_collections.llmfleet.ollama.plugins.plugin_utils.report import files, page, table, text
from support import recorded_runs as runs

EVERY_HOST = {**runs.lab_hosts(), **runs.other_hosts()}
HOSTILE = "<script>alert(1)</script>\"' onload=alert(2) <img src=https://evil.example/x>"


class Tags(html.parser.HTMLParser):
    def __init__(self, text):
        super().__init__()
        self.tags = []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))


def hostile_fleet():
    host = runs.linux(
        "13",
        runs.vram(runs.device(0, "nvidia", HOSTILE, 12288, 300, used_by=[(HOSTILE, 10)])),
        changes=[HOSTILE],
        others=(HOSTILE.replace(" ", ""),),
    )
    host["plan"]["models"][0].update(reason=HOSTILE, kv_cache_type=HOSTILE, placement=HOSTILE)
    host["plan"]["rejected"][0]["name"] = HOSTILE
    host["plan"]["warnings"] = [HOSTILE]
    host["version"] = HOSTILE
    host["failed"] = (HOSTILE, HOSTILE)
    return runs.document_of({HOSTILE: host}, run=runs.run(playbook=HOSTILE))


def test_what_hosts_say_is_text_and_never_markup():
    made = Tags(page.render(hostile_fleet()))
    assert [tag for tag, attrs in made.tags].count("script") == 1
    assert "img" not in [tag for tag, attrs in made.tags]
    assert not [attrs for tag, attrs in made.tags if any(name.startswith("on") for name in attrs)]


def test_the_page_tells_what_fills_up_later():
    """System memory that no server counts: without a word on it a model that lies on its card seems to take none."""
    host = runs.linux("13", runs.vram(runs.device(0, "nvidia", "NVIDIA L4", 23034, 300)))
    host["plan"]["models"][0]["memory"].update(prompt_cache_bytes=3 << 30, checkpoints_bytes=2 << 30)
    shown = page.render(runs.document_of({"a": host}))
    assert "3.0 GiB of RAM for earlier prompts" in shown and "2.0 GiB of RAM for context checkpoints" in shown


def test_the_page_asks_nobody_for_anything():
    written = page.render(runs.document_of(EVERY_HOST))
    made = Tags(written)
    addresses = [value for tag, attrs in made.tags for name, value in attrs.items() if name in ("src", "href", "action", "srcset", "data")]
    assert sorted(set(addresses) - {value for value in addresses if value.startswith("data:")}) == ["#hosts", "fleet.json", "http://172.30.77.10:3000"]
    assert {attrs.get("rel") for tag, attrs in made.tags if str(attrs.get("href")).startswith("http")} == {"noreferrer"}, "a link is followed by a person only"
    assert not re.search(r"@import|url\((?!\"?data:|#)", written)
    policy = next(attrs["content"] for tag, attrs in made.tags if attrs.get("http-equiv") == "Content-Security-Policy")
    assert policy.startswith("default-src 'none';") and "unsafe" not in policy


def test_the_policy_admits_exactly_the_style_and_script_of_the_page():
    """A wrong digest leaves a page without style or filter, which nobody would notice here."""
    written = page.render(runs.document_of(EVERY_HOST))
    for tag, kind in (("style", "style-src"), ("script", "script-src")):
        inside = re.search(rf"<{tag}>(.*?)</{tag}>", written, re.DOTALL).group(1)
        digest = base64.b64encode(hashlib.sha256(inside.encode()).digest()).decode()
        assert f"{kind} &#39;sha256-{digest}&#39;" in written
    assert not [attrs for tag, attrs in Tags(written).tags if "style" in attrs], "inline style attributes are blocked by the policy"


def test_the_drawn_bars_add_up():
    """The figures that are drawn, not those of the document: rounding or a lost segment in the template would show here."""
    bars, current = [], None
    for tag, attrs in Tags(page.render(runs.document_of(EVERY_HOST))).tags:
        if "data-total" in attrs:
            current = {"total": int(attrs["data-total"]), "bytes": 0, "width": 0.0, "end": 0.0}
            bars.append(current)
        elif tag == "rect" and "data-bytes" in attrs:
            assert float(attrs["x"].rstrip("%")) == pytest.approx(current["end"], abs=1e-3)
            current["bytes"] += int(attrs["data-bytes"])
            current["end"] = float(attrs["x"].rstrip("%")) + float(attrs["width"].rstrip("%"))
    assert len(bars) == 15
    for gauge in bars:
        assert gauge["bytes"] == gauge["total"] and gauge["end"] == pytest.approx(100, abs=0.01)


def test_the_page_tells_what_was_asked_for():
    written = page.render(runs.document_of(EVERY_HOST))
    for told in (
        "14b fits 11.6 GiB at 8192 tokens",
        "8,192 tokens",
        "measured",
        "OLLAMA_CONTEXT_LENGTH=8192",
        "Short by",
        "llama3.2:3b is installed and not planned",
        "No route to host",
        "Open WebUI 0.12.4",
        "310.0 GiB free of 480.0 GiB",
        "Unpack the release",
        "2 min 08 s",
    ):
        assert told in written, told


def test_check_mode_is_told_on_the_page():
    written = page.render(runs.document_of(EVERY_HOST, run=runs.run(check_mode=True)))
    assert "check mode, nothing was changed" in written and "would change 5" in written


def test_an_empty_fleet_still_makes_a_page_and_a_table():
    fleet = runs.document_of({})
    assert "Fleet report" in page.render(fleet) and "FLEET" in table.render(fleet, 100)


# -- table -----------------------------------------------------------------------------------------------------------------


def shown_width(line):
    return sum(2 if unicodedata.east_asian_width(char) in "WF" else 1 for char in line)


@pytest.mark.parametrize("width", [76, 80, 100, 160])
def test_the_table_is_never_wider_than_the_terminal_and_never_cuts_a_model(width):
    """Of '…epseek-r1:14b' and '…d-text:latest' the family was missing, the part that one looks for. Figures of memory give way first."""
    told = table.render(runs.document_of(EVERY_HOST), width, ["reports/mine/fleet.html"])
    grid, said = told.split("\n\n", 1)[1].split("\n\n", 1)
    assert max(shown_width(line) for line in told.splitlines() if not line.startswith("Open ")) <= width
    line = next(line for line in grid.splitlines() if line.startswith("lab-3060"))
    assert all(told in line for told in ("deepseek-r1:14b", "8192", "changed 5")) and ("11.0/11.6" in line) == (width >= 100)
    assert "…" not in "".join(word for word in grid.split() if ":" in word)
    at = grid.splitlines()[0].index("MODEL")
    names = "".join(line[at:].split(" ")[0] for line in grid.splitlines()[1:])
    assert "nomic-embed-text:latest" in names and "qwen3:0.6b" in names
    assert "report: reports/mine/fleet.html" in said


def test_a_long_name_is_broken_at_its_marks_and_stays_whole():
    host = copy.deepcopy(EVERY_HOST["lab-3060"])
    name = "huggingface.co/bartowski/DeepSeek-R1-Distill-Qwen-14B-GGUF:Q4_K_M"
    host["plan"]["models"][0]["name"] = name
    grid = table.render(runs.document_of({"lab-3060": host}), 80).split("\n\n")[1].splitlines()
    at = grid[0].index("MODEL")
    parts = [line[at:].split(" ")[0] for line in grid[1:]]
    assert "".join(parts) == name and parts[0] == "huggingface.co/" and parts[-1].endswith("Q4_K_M")


def test_the_last_lines_say_where_to_go_and_as_whom():
    """Nobody who had run the project knew the address of its web UI, or where its password lay."""
    told = table.render(runs.document_of(EVERY_HOST), 100, ["reports/mine/fleet.html", "reports/mine/fleet.json"]).splitlines()
    assert told[-1] == "Open http://172.30.77.10:3000 as admin@lab.example (password in .cache/lab/open-webui-password)"
    host = copy.deepcopy(EVERY_HOST["lab-hub"])
    del host["web_fact"]["password_file"]
    assert table.render(runs.document_of({"hub": host}), 100).splitlines()[-1] == "Open http://172.30.77.10:3000 as admin@lab.example"
    host["failed"] = ("Start the container", "port 3000 is taken")
    assert "Open http" not in table.render(runs.document_of({"hub": host}), 100), "what failed is no place to go"


def test_a_failure_tells_the_role_and_the_message():
    """'failed in 'Fail with both facts'' said nothing to people who do not know the role's files."""
    said = " ".join(table.render(runs.document_of(EVERY_HOST), 100).split())
    assert "win-4090 failed in role ollama_models: deepseek-r1:32b: 16.2 of 19.3 GiB are on the GPU" in said
    assert "attic unreachable: ssh: connect to host 10.20.0.9 port 22: No route to host" in said
    host = {**EVERY_HOST["lab-3060"], "failed": ("Restart Ollama", "")}
    assert "failed in 'Restart Ollama' of role ollama_models: The task gave no reason." in table.render(runs.document_of({"a": host}), 100)


def test_the_same_sentence_of_several_hosts_is_said_once():
    """A missing sudo password is one cause, not as many as there are hosts."""
    dead = {**EVERY_HOST["attic"], "unreachable": "Missing sudo password"}
    lines = table.render(runs.document_of({"a": dead, "lab-cpu": EVERY_HOST["lab-cpu"], "b": dead}), 100).splitlines()
    at = lines.index("a, b")
    assert lines[at + 1].strip().startswith("unreachable: Missing sudo password") and sum("Missing" in line for line in lines) == 1


def test_a_verified_model_shows_its_answer_its_speed_and_its_memory():
    host = {**EVERY_HOST["desk"], "changes": [], "answers": runs.answers_of(EVERY_HOST["desk"]["plan"])}
    host["answers"]["results"][0].update(answer="<think>\n\n</think>\n\nHi\x1b[2J\u202e there", loaded_before=False, only_thoughts=False)
    fleet = runs.document_of({"desk": host}, run=runs.run("verify.yml"))
    said = " ".join(table.render(fleet, 100).split())
    assert 'deepseek-r1:14b answered "Hi there", first token after 0.4 s with loading, 41.2 tokens/s, 9.7 GiB measured, 9.7 GiB predicted (-0.5 %)' in said
    assert "nomic-embed-text:latest answered with an embedding of 768 numbers, after 0.4 s, 0.3 GiB measured" in said
    written = page.render(fleet)
    for told in (
        "\u201cHi there\u201d",
        "first token after 0.4 s with loading",
        "41.2 tokens/s",
        "by Ollama&#39;s own clock",
        "an embedding of 768 numbers",
        "3 answered",
    ):
        assert told in written, told


def test_the_estimate_has_a_column_and_what_was_measured_stands_behind_it():
    """The figure that people ask for first; a narrow terminal does without it before anything is cut."""
    host = copy.deepcopy(EVERY_HOST["lab-3060"])
    told = host["plan"]["models"][0]["tokens_per_second"]
    told.update(predicted=31.6, at_full_context=28.4, measured=12.34)
    fleet = runs.document_of({"lab-3060": host})
    assert "TOKENS/s" in table.render(fleet, 120) and "~32, 12.3" in table.render(fleet, 120)
    assert "TOKENS/s" not in table.render(fleet, 80)
    written = page.render(fleet)
    assert "about 32 tokens/s, 28 with the context full" in written and "12.3 tokens/s measured" in written


def test_an_answer_is_text_and_no_markup():
    """A model can be asked to write anything; the page is opened by the one who may do most."""
    host = {**EVERY_HOST["lab-cpu"], "answers": runs.answers_of(EVERY_HOST["lab-cpu"]["plan"])}
    host["answers"]["results"][0]["answer"] = HOSTILE
    host["web_fact"] = {"version": "1", "url": "javascript:alert(1)", "admin_email": HOSTILE, "password_file": HOSTILE}
    made = Tags(page.render(runs.document_of({"host": host})))
    assert [tag for tag, attrs in made.tags].count("script") == 1 and "img" not in [tag for tag, attrs in made.tags]
    assert not [attrs for tag, attrs in made.tags if "javascript:" in str(attrs.get("href"))]


def test_a_host_that_left_the_inventory_is_one_quiet_line():
    before = runs.document_of(EVERY_HOST, run=runs.run(finished="2026-11-23T09:01:00Z"))
    left = {name: groups for name, groups in runs.inventory_of(EVERY_HOST).items() if name != "lab-3060"}
    fleet = runs.document_of({"lab-cpu": EVERY_HOST["lab-cpu"]}, previous=before, inventory=left)
    told = [line for line in table.render(fleet, 120).splitlines() if "lab-3060" in line]
    assert told == ["lab-3060  no longer in the inventory; its Ollama was not touched (last seen 11-23)"]
    written = page.render(fleet)
    assert "<b>lab-3060</b> no longer in the inventory" in written and "http://lab-3060:11434" in written and 'data-name="lab-3060"' not in written


def test_a_fleet_without_cards_counts_its_system_memory():
    """'Card memory 0.0 GiB, planned 0.0 GiB' stood over a machine that plans 1.9 GiB of its memory."""
    written = page.render(runs.document_of({"lab-cpu": EVERY_HOST["lab-cpu"]}))
    assert "System memory" in written and "Card memory" not in written and "24% of the system memory" in written
    assert "1.9 GiB in system memory" in page.render(runs.document_of(EVERY_HOST))


def test_two_models_on_a_card_have_letters_and_a_strip_that_is_as_wide_as_theirs():
    written = page.render(runs.document_of({"desk": EVERY_HOST["desk"]}))
    assert re.findall(r'<b class="letter tint-\d">(\w)</b>', written) == ["A", "B", "C"]
    strip = re.search(r'<svg class="strip".*?</svg>\n *</svg>', written, re.DOTALL).group(0)
    wide = sum(float(width) for width in re.findall(r'x="[\d.]+%" width="([\d.]+)%"', strip))
    (gauge,) = runs.document_of({"desk": EVERY_HOST["desk"]})["hosts"][0]["bars"]
    assert wide == pytest.approx(100 * gauge["planned_bytes"] / gauge["total_bytes"], abs=0.01)
    assert '<svg class="strip"' not in page.render(runs.document_of({"lab-3060": EVERY_HOST["lab-3060"]}))


def test_wide_characters_keep_the_columns_straight():
    machine = runs.vram(runs.device(0, "nvidia", "NVIDIA GeForce RTX 3060", 12288, 378))
    fleet = runs.document_of({"ギガ": runs.linux("13", machine), "host": runs.linux("13", machine)})
    lines = [line for line in table.render(fleet, 100).splitlines() if "RTX 3060" in line]
    columns = [shown_width(line[: line.index("RTX 3060")]) for line in lines]
    assert len(columns) == 2 and columns[0] == columns[1]


def test_escape_sequences_of_a_host_do_not_reach_the_terminal():
    host = runs.linux("13", runs.vram(), changes=["\x1b[2Jgone"])
    host["failed"] = ("\x1b]0;title\x07Task", "line one\nline two\x1b[31m")
    said = table.render(runs.document_of({"host": host}), 100)
    assert "\x1b" not in said and "\x07" not in said and "line one line two" in said


def test_colour_only_where_it_is_given_and_only_on_the_state():
    fleet = runs.document_of({"lab-3060": EVERY_HOST["lab-3060"]})
    plain = table.render(fleet, 100)
    painted = table.render(fleet, 100, colour=lambda words, name: f"<{name}>{words}</>")
    assert "<yellow>changed 5" in painted and re.sub(r"</?\w*>", "", painted).replace(" ", "") == plain.replace(" ", "")


def test_times_of_today_are_hours_and_other_days_are_dates(monkeypatch):
    """'ok 11-24' on the same day hides which of two runs it was. The reader's clock counts, not UTC."""
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    text.time.tzset()
    try:
        told = [text.day_or_hour(stamp, "2026-11-24T16:12:08Z") for stamp in ("2026-11-24T15:00:00Z", "2026-11-24T14:59:00Z", "2025-11-24T16:00:00Z", "odd")]
    finally:
        monkeypatch.undo()
        text.time.tzset()
    assert told == ["00:00", "11-24", "2025-11-25", "odd"]


def test_a_kept_row_has_its_date_and_no_sentence():
    """Forty sentences of other hosts would bury the one that a limited run is about."""
    before = runs.document_of(EVERY_HOST, run=runs.run(finished="2026-11-23T09:01:00Z"))
    said = table.render(runs.document_of({"lab-cpu": EVERY_HOST["lab-cpu"]}, previous=before, inventory=runs.inventory_of(EVERY_HOST)), 100)
    assert "changed 11-23" in said and "32b would need" not in said and "8 from earlier runs" in said


# -- files and words -------------------------------------------------------------------------------------------------------


def test_files_are_replaced_whole(tmp_path, monkeypatch):
    def full(*_args):
        raise OSError("disk full")

    path = tmp_path / "deep/er/fleet.json"
    files.write(str(path), "old")
    monkeypatch.setattr(files.os, "replace", full)
    with pytest.raises(OSError, match="disk full"):
        files.write(str(path), "new")
    assert path.read_text() == "old" and [entry.name for entry in path.parent.iterdir()] == ["fleet.json"]


def test_files_are_readable_by_those_whom_the_umask_admits(tmp_path):
    """mkstemp makes files for the owner alone; a report in a shared folder would be unreadable for the web server that shows it."""
    files.write(str(tmp_path / "fleet.html"), "x")
    (tmp_path / "other").write_text("x")
    assert (tmp_path / "fleet.html").stat().st_mode == (tmp_path / "other").stat().st_mode


@pytest.mark.parametrize("damaged", [b"", b"{", b"\xff\xfe"])
def test_a_damaged_history_is_no_history(tmp_path, damaged):
    (tmp_path / "fleet.json").write_bytes(damaged)
    assert files.read_json(str(tmp_path / "fleet.json")) is None


def test_json_reads_back():
    fleet = runs.document_of(EVERY_HOST)
    assert json.loads(page.as_json(fleet)) == fleet


@pytest.mark.parametrize(
    ("name", "short"),
    [
        ("NVIDIA GeForce RTX 3060", "RTX 3060"),
        ("AMD Radeon RX 7900 XTX", "RX 7900 XTX"),
        ("Intel(R) Arc(TM) A770 Graphics", "Arc A770"),
        ("Apple M4 Max", "M4 Max"),
        ("NVIDIA H100 80GB HBM3", "H100"),
        ("NVIDIA Graphics", "NVIDIA Graphics"),
        (None, "unnamed"),
    ],
)
def test_cards_have_the_name_that_people_use(name, short):
    assert text.short_card_name(name) == short


@pytest.mark.parametrize(
    ("size", "told"),
    [(None, "?"), (0, "0.0 GiB"), (430_000, "419.9 KiB"), (50 * 1024**2, "50.0 MiB"), (1024**3, "1.0 GiB"), (-(2**31), "-2.0 GiB")],
)
def test_bytes_in_gib(size, told):
    assert text.gib(size) == told


@pytest.mark.parametrize(("time", "told"), [(0.04, "0.0 s"), (9.94, "9.9 s"), (59.4, "59 s"), (128.3, "2 min 08 s"), (7260, "2 h 01 min"), (59.9, "60 s")])
def test_times(time, told):
    assert text.seconds(time) == told
