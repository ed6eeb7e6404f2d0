from __future__ import annotations

import random

from tunesmith.batches.lines import read_lines
from tunesmith.batches.progress import Cursor, Progress

CONTENT = b"".join(b"line %d\n" % number for number in range(1, 41)).replace(b"line 7\n", b"\n")


def test_lines_that_finish_in_any_order_and_readers_that_die_leave_none_out_and_do_none_twice() -> None:
    for seed in range(200):
        luck = random.Random(seed)
        cursor, done = Cursor(1, 0, ()), []
        while True:
            progress, taken = Progress(cursor), []
            for line in read_lines([CONTENT[cursor.offset :]], number=cursor.line, offset=cursor.offset):
                if progress.take(line):
                    taken.append(line)
                if taken and luck.random() < 0.5:
                    finished = luck.sample(taken, luck.randint(1, len(taken)))
                    cursor = progress.finish(line.number for line in finished)
                    done += [line.raw for line in finished]
                    taken = [line for line in taken if line not in finished]
                if luck.random() < 0.1:
                    break  # killed: what was taken and not finished is taken again
            else:
                cursor = progress.finish(line.number for line in taken)
                done += [line.raw for line in taken]
                break
        assert sorted(done) == sorted(line.raw for line in read_lines([CONTENT])), seed
        assert cursor == Cursor(41, len(CONTENT), ())


def test_the_cursor_stands_at_the_first_line_that_is_not_done() -> None:
    progress = Progress(Cursor(1, 0, ()))
    for line in read_lines([b"a\nb\nc\nd\n"]):
        assert progress.take(line)
    assert progress.finish([1, 3]) == Cursor(2, 2, (3,))
    assert progress.finish([2]) == Cursor(4, 6, ())
    assert progress.finish([4]) == Cursor(5, 8, ())
