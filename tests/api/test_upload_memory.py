"""Files larger than a gateway may hold, in and out. `tests/bench/bench_upload.py` sends 2 GiB."""

from __future__ import annotations

from pathlib import Path

from upload_memory import measure_upload, throttled_bucket


def test_a_large_file_in_a_folder_is_never_held(tmp_path: Path) -> None:
    held = measure_upload(tmp_path, 300)
    print(f"\n300 MiB into a folder: {held}")
    assert held.added_mib < 100


def test_a_large_file_for_a_throttled_bucket_is_never_held(tmp_path: Path) -> None:
    with throttled_bucket(64) as environment:
        held = measure_upload(tmp_path, 256, environment)
    print(f"\n256 MiB into a bucket that takes 64 MiB/s: {held}")
    assert held.seconds > 3.5, "the bucket was not throttled"
    assert held.added_mib < 200
