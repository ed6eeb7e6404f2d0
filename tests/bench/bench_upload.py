"""What a gateway holds of 2 GiB that go to an object store which takes them slowly."""

from __future__ import annotations

from pathlib import Path

import pytest
from upload_memory import measure_upload, throttled_bucket

SIZE_MIB = 2048
MIB_PER_SECOND = 64
MAY_ADD_MIB = 300


@pytest.mark.timeout(900)
def test_two_gibibytes_add_less_than_300_mib(tmp_path: Path) -> None:
    with throttled_bucket(MIB_PER_SECOND) as environment:
        held = measure_upload(tmp_path, SIZE_MIB, environment)
    print(f"\n{SIZE_MIB} MiB into a bucket that takes {MIB_PER_SECOND} MiB/s: {held}")
    assert held.seconds > 0.9 * SIZE_MIB / MIB_PER_SECOND, "the bucket was not throttled"
    assert held.added_mib < MAY_ADD_MIB
