"""A checkpoint is whole or it does not count."""

from __future__ import annotations

import errno
from pathlib import Path

import pytest

from tunesmith.errors import StorageError
from tunesmith.train.checkpoint import MARKER, newest_complete, prune, seal, storage_errors


def _save(job: Path, attempt: int, step: int, *, sealed: bool = True) -> Path:
    folder = job / f"attempt-{attempt:04d}" / f"checkpoint-{step}"
    (folder / "global_step").mkdir(parents=True)
    (folder / "global_step" / "shard.pt").write_bytes(b"x" * step)
    (folder / "trainer_state.json").write_text("{}", encoding="utf-8")
    if sealed:
        seal(folder, step=step)
    return folder


def test_newest_complete_one_of_all_attempts_counts(tmp_path: Path) -> None:
    assert newest_complete(tmp_path) is None
    _save(tmp_path, 1, 9)
    newest = _save(tmp_path, 1, 100)
    _save(tmp_path, 2, 50)
    state = newest_complete(tmp_path)
    assert state is not None
    assert (state.path, state.step) == (newest, 100)


def test_half_written_one_is_never_taken(tmp_path: Path) -> None:
    whole = _save(tmp_path, 1, 10)
    _save(tmp_path, 1, 20, sealed=False)
    state = newest_complete(tmp_path)
    assert state is not None
    assert state.path == whole


@pytest.mark.parametrize("damage", ["truncated", "missing", "torn marker"])
def test_damaged_one_is_never_taken(tmp_path: Path, damage: str) -> None:
    _save(tmp_path, 1, 10)
    folder = _save(tmp_path, 1, 20)
    if damage == "truncated":
        (folder / "global_step" / "shard.pt").write_bytes(b"x")
    elif damage == "missing":
        (folder / "trainer_state.json").unlink()
    else:
        (folder / MARKER).write_text('{"step": 20, "fi', encoding="utf-8")
    state = newest_complete(tmp_path)
    assert state is not None
    assert state.step == 10


def test_prune_keeps_the_newest_and_what_is_being_written(tmp_path: Path) -> None:
    for step in (10, 20, 30):
        _save(tmp_path, 1, step)
    left_by_a_kill = _save(tmp_path, 1, 25, sealed=False)
    being_written = _save(tmp_path, 2, 40, sealed=False)
    prune(tmp_path / "attempt-0002", num_kept=2)
    left = sorted(path.name for path in tmp_path.glob("attempt-*/checkpoint-*"))
    assert left == ["checkpoint-20", "checkpoint-30", "checkpoint-40"]
    assert being_written.exists()
    assert not left_by_a_kill.exists()


def test_a_zombie_takes_nothing_from_a_later_attempt(tmp_path: Path) -> None:
    theirs = [_save(tmp_path, 2, 60), _save(tmp_path, 2, 70, sealed=False)]
    for step in (50, 80, 90):
        _save(tmp_path, 1, step)
    prune(tmp_path / "attempt-0001", num_kept=1)
    assert all(folder.exists() for folder in theirs)
    assert [path.name for path in tmp_path.glob("attempt-0001/checkpoint-*")] == ["checkpoint-90"]


@pytest.mark.parametrize(
    "error",
    [
        OSError(errno.ENOSPC, "No space left on device"),
        RuntimeError(
            "[enforce fail at inline_container.cc:664] . PytorchStreamWriter failed writing file data/0"
        ),
        RuntimeError("Error while serializing: I/O error: No space left on device (os error 28)"),
    ],
    ids=["python", "torch", "safetensors"],
)
def test_full_disk_leaves_no_half_and_says_the_way_out(tmp_path: Path, error: Exception) -> None:
    folder = _save(tmp_path, 1, 10, sealed=False)
    with (
        pytest.raises(StorageError, match=r"no space left .* Free some disk space") as told,
        storage_errors(folder),
    ):
        raise error
    assert str(folder) in told.value.message
    assert not folder.exists()


def test_other_errors_pass(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match="shapes"), storage_errors(tmp_path):
        raise RuntimeError("shapes do not match")


def test_real_full_disk_is_told(tmp_path: Path) -> None:
    """/dev/full takes no byte, as a full disk does."""
    with pytest.raises(StorageError), storage_errors(tmp_path / "none"), Path("/dev/full").open("wb") as file:
        file.write(b"x" * 100_000)
