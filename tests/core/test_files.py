import multiprocessing
import os
import signal
import time
from pathlib import Path

import pytest

from glioframe.core.files import (
    atomic_path,
    remove_partial_files,
    sha256_of_file,
    sha256_of_text,
    write_bytes_atomically,
    write_text_atomically,
)


def test_sha256_agrees_with_the_published_value_of_abc(tmp_path):
    # FIPS 180-2, appendix B.1
    expected = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    (tmp_path / "abc").write_bytes(b"abc")
    assert sha256_of_file(tmp_path / "abc") == expected
    assert sha256_of_text("abc") == expected


def test_a_failing_write_leaves_the_old_file_and_no_leftover(tmp_path):
    path = tmp_path / "plan.json"
    write_text_atomically(path, "old")
    with pytest.raises(FileNotFoundError), atomic_path(path) as partial:
        partial.with_name("absent").rename(partial)
    assert path.read_text() == "old"
    assert [entry.name for entry in tmp_path.iterdir()] == ["plan.json"]


def test_written_files_have_the_usual_rights(tmp_path):
    (tmp_path / "plain").write_text("x")
    write_text_atomically(tmp_path / "atomic", "x")
    assert (tmp_path / "atomic").stat().st_mode == (tmp_path / "plain").stat().st_mode


def test_folders_are_made_on_the_way(tmp_path):
    write_bytes_atomically(tmp_path / "a" / "b" / "c", b"x")
    assert (tmp_path / "a" / "b" / "c").read_bytes() == b"x"


def _write_for_ever(path: Path) -> None:
    letter = 0
    while True:
        letter = (letter + 1) % 26
        write_bytes_atomically(path, bytes([65 + letter]) * 200_000)


def test_a_killed_writer_never_leaves_half_a_file(tmp_path):
    path = tmp_path / "array"
    write_bytes_atomically(path, b"A" * 200_000)
    for attempt in range(4):
        writer = multiprocessing.get_context("spawn").Process(target=_write_for_ever, args=(path,))
        writer.start()
        time.sleep(0.4 + 0.05 * attempt)
        os.kill(writer.pid, signal.SIGKILL)
        writer.join()
        content = path.read_bytes()
        assert len(content) == 200_000
        assert len(set(content)) == 1
    remove_partial_files(tmp_path)
    assert [entry.name for entry in tmp_path.iterdir()] == ["array"]
