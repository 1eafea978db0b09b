"""The pages in a real browser: they open, say nothing on the console and ask nobody for anything."""

import json
import shutil
import subprocess
from typing import NamedTuple

import pytest
from report_example import make_class_rows, make_content

from dynamic_builders import make_dynamic_dataset
from glioframe.artifacts.preflight import Preflight
from glioframe.reporting.preflight_page import write_preflight_page
from glioframe.reporting.raw_case import draw_raw_case
from glioframe.reporting.report import write_report

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium on PATH to open the report")


class Visit(NamedTuple):
    """What the browser showed, wrote on its console, and what the page made it request."""

    document: str
    console: list[str]
    requests: list[str]


def visit(page, folder):
    log = folder / "net.json"
    command = [
        CHROMIUM,
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        "--disable-quic",
        "--no-first-run",
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-sync",
        "--host-resolver-rules=MAP * ~NOTFOUND",  # nothing leaves the machine, whoever asks
        f"--user-data-dir={folder / 'profile'}",
        f"--log-net-log={log}",
        "--enable-logging=stderr",
        "--dump-dom",
        page.as_uri(),
    ]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    console = [line for line in done.stderr.splitlines() if "CONSOLE" in line]
    parameters = [event.get("params", {}) for event in json.loads(log.read_text())["events"]]
    # What the browser asks for on its own account has no initiator.
    requests = [
        found["url"] for found in parameters if "url" in found and found.get("initiator") not in (None, "not an origin")
    ]
    return Visit(document=done.stdout, console=console, requests=requests)


def test_a_page_that_talks_and_fetches_is_caught(tmp_path):
    page = tmp_path / "page.html"
    page.write_text('<!DOCTYPE html><img src="http://tracker.invalid/x.png"><script>console.log("hello")</script>')
    seen = visit(page, tmp_path)
    assert seen.requests == ["http://tracker.invalid/x.png"]
    assert any("hello" in line for line in seen.console)


@pytest.mark.parametrize("rows", [None, make_class_rows(9)], ids=["two classes", "three classes"])
def test_the_report_opens_without_a_console_message_or_a_request(rows, tmp_path):
    page = tmp_path / "report.html"
    write_report(make_content(tmp_path / "cases", rows=rows, num_resamples=50), page)
    seen = visit(page, tmp_path)
    assert "<h1>" in seen.document
    assert "Each cross-validated case was predicted" in seen.document
    assert seen.console == []
    assert seen.requests == []


def test_the_preflight_opens_without_a_console_message_or_a_request(tmp_path):
    dataset = make_dynamic_dataset(tmp_path / "Dataset001_Test", num_subjects=1)
    case = dataset.cases[0]
    card = draw_raw_case(dataset.files(case.case_id), case, dataset.description, protocol=None, name="case")
    page = tmp_path / "preflight.html"
    write_preflight_page(Preflight(dataset_name="Test", num_cases=1, num_files=3), [card], page)
    seen = visit(page, tmp_path)
    assert "case000" in seen.document
    assert seen.console == []
    assert seen.requests == []
