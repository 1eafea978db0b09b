import io
import json

from hypothesis import given
from hypothesis import strategies as st

from glioframe.core.errors import DatasetError
from glioframe.core.presets import preset_names, preset_path
from glioframe.core.progress import JsonProgress, SilentProgress
from glioframe.core.seeds import derive_seed


def test_an_error_is_one_line_with_where_expected_found_and_fix():
    error = DatasetError("cases.tsv:3", expected="a site", found="an empty\ncell", fix="Fill it in")
    assert str(error) == "cases.tsv:3: expected a site, found an empty cell. Fill it in."


@given(st.integers(0, 2**31), st.integers(0, 1000), st.integers(0, 1000))
def test_streams_differ_by_name_and_repeat_by_name(seed, first, second):
    assert derive_seed(seed, "batch", first) == derive_seed(seed, "batch", first)
    if first != second:
        assert derive_seed(seed, "batch", first) != derive_seed(seed, "batch", second)
    assert derive_seed(seed, "batch", first) != derive_seed(seed, "augmentation", first)
    assert 0 <= derive_seed(seed, "batch", first) < 2**63


def test_stream_names_are_not_confused_when_joined():
    assert derive_seed(0, "a", 12) != derive_seed(0, "a", 1, 2)


def test_json_progress_counts_every_item():
    stream = io.StringIO()
    progress = JsonProgress(stream)
    assert list(progress.track("ab", step="cases", total=2)) == ["a", "b"]
    progress.note("done")
    events = [json.loads(line) for line in stream.getvalue().splitlines()]
    assert [event["done"] for event in events[:3]] == [0, 1, 2]
    assert events[-1] == {"note": "done"}


def test_silent_progress_passes_items_through():
    assert list(SilentProgress().track([1, 2], step="x", total=2)) == [1, 2]


def test_every_preset_that_is_listed_exists():
    for kind in ("budgets",):
        assert preset_names(kind)
        assert all(preset_path(kind, name).is_file() for name in preset_names(kind))
