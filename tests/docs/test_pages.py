"""The pages tell the truth: links lead somewhere, commands parse, examples load."""

from __future__ import annotations

import importlib
import json
import re
import shlex
import tomllib
from pathlib import Path

import pytest

from glioframe.artifacts.dataset import load_dataset_description

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "documentation").rglob("*.md"))]
SCRIPTS = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["scripts"]
LINK = re.compile(r"\[[^\]]*\]\(([^)#\s]+)[^)]*\)")


def code_blocks(page, *languages):
    text = page.read_text(encoding="utf-8")
    found = re.findall(r"^```(\w*)\n(.*?)^```$", text, flags=re.MULTILINE | re.DOTALL)
    return [block for language, block in found if language in languages]


def commands_in(page):
    """Every glioframe command of the page's shell blocks as a list of words."""
    for block in code_blocks(page, "bash", "sh", "console"):
        for line in block.replace("\\\n", " ").splitlines():
            words = shlex.split(line.removeprefix("$ "), comments=True)
            while words and "=" in words[0] and not words[0].startswith("-"):
                words = words[1:]
            if words and words[0].startswith("glioframe_"):
                yield words


def name_of(page):
    return str(page.relative_to(ROOT))


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_links_inside_the_repository_lead_to_files(page):
    links = [link for link in LINK.findall(page.read_text(encoding="utf-8")) if "://" not in link]
    broken = [link for link in links if not (page.parent / link).exists()]
    assert not broken


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_commands_shown_are_understood_by_their_parsers(page):
    for command, *arguments in commands_in(page):
        module = importlib.import_module(SCRIPTS[command].partition(":")[0])
        if "--help" not in arguments and arguments:
            module.build_parser().parse_args(arguments)


def test_the_readme_shows_at_least_the_five_commands():
    shown = {command for command, *_ in commands_in(ROOT / "README.md")}
    assert {
        "glioframe_check_dataset",
        "glioframe_plan_and_preprocess",
        "glioframe_train",
        "glioframe_predict",
        "glioframe_evaluate",
    } <= shown


def test_the_readmes_dataset_description_loads(tmp_path):
    (example,) = code_blocks(ROOT / "README.md", "json")
    json.loads(example)
    path = tmp_path / "Dataset002_Mine" / "dataset.json"
    path.parent.mkdir()
    path.write_text(example, encoding="utf-8")
    description = load_dataset_description(path)
    assert [channel.name for channel in description.channels] == ["t1c", "fdopa"]
    assert description.target().is_binary


def test_every_page_is_reachable_from_the_index():
    reachable, waiting = set(), [ROOT / "documentation" / "README.md", ROOT / "README.md"]
    while waiting:
        page = waiting.pop().resolve()
        if page in reachable or page.suffix != ".md" or not page.is_file():
            continue
        reachable.add(page)
        links = LINK.findall(page.read_text(encoding="utf-8"))
        waiting += [page.parent / link for link in links if "://" not in link]
    assert {name_of(page) for page in PAGES} <= {name_of(page) for page in reachable}


def test_pages_are_written_in_ascii():
    for page in PAGES:
        assert page.read_text(encoding="utf-8").isascii(), name_of(page)
