"""The glossary has an entry for every word that a dataset may use."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from glioframe.core.modality import Modality, Tracer, Unit

GLOSSARY = Path(__file__).parents[2] / "documentation" / "glossary.md"


def entries():
    """The words in the first column of the glossary's tables."""
    first_cells = re.findall(r"^\| ([^|]+) \|", GLOSSARY.read_text(encoding="utf-8"), flags=re.MULTILINE)
    return {word for cell in first_cells for word in re.findall(r"`([^`]+)`", cell)}


@pytest.mark.parametrize("word", [*Modality, *Tracer, *Unit])
def test_every_modality_tracer_and_unit_has_an_entry(word):
    assert str(word) in entries()


def test_no_word_is_explained_twice():
    first_cells = re.findall(r"^\| ([^|]+) \|", GLOSSARY.read_text(encoding="utf-8"), flags=re.MULTILINE)
    words = [cell for cell in first_cells if cell not in {"word", "---"}]
    assert len(words) == len(set(words))
