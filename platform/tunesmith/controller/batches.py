"""Drives batches: checks their lines, has each answered by the gateway, and puts the answers into files.

Several controllers may do so at once; each batch is held by one. What a hold has done is in the database and the
object store, line by line, so that the next hold goes on where this one ended, however it ended.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from typing import Any

from tunesmith.batches.batch import Batch
from tunesmith.batches.lines import Line, LineFault, check_lines, parse_line, read_lines
from tunesmith.batches.progress import Cursor, Progress
from tunesmith.batches.queue import BatchQueue, HeldBatch
from tunesmith.batches.results import Result, results_prefix, write_part
from tunesmith.config.serve import BatchesConfig
from tunesmith.controller.batch_asker import BatchAsker
from tunesmith.controller.edge import going_on
from tunesmith.errors import NotFoundError, PlatformError
from tunesmith.records import ENDED_BATCH_STATES, BatchState
from tunesmith.stores.database import Database, FileRow
from tunesmith.stores.files import FILE_PREFIX, FileStore, file_key, file_row
from tunesmith.stores.objects import ObjectStore
from tunesmith.stores.ordered_ids import new_id

_MOST_RESULTS_IN_A_PART = 256
_EXPIRED = {
    "code": "batch_expired",
    "message": "This request could not be executed before the completion window expired.",
}


@dataclass(frozen=True, slots=True)
class Pace:
    """How often things are done; tests hurry."""

    seconds_between_looks: float = 1.0
    seconds_between_renewals: float = 3.0
    seconds_between_parts: float = 5.0
    """Answers of the last so many seconds are asked for again after a kill."""


class BatchController:
    """Drives the batches of all projects.

    Args:
        database: the metadata database.
        objects: where the files lie.
        queue: this controller's hold on batches.
        asker: sends single requests to the gateway.
        config: limits.
        pace: how often things are done.
    """

    def __init__(
        self,
        database: Database,
        objects: ObjectStore,
        *,
        queue: BatchQueue,
        asker: BatchAsker,
        config: BatchesConfig,
        pace: Pace | None = None,
    ) -> None:
        self._database = database
        self._objects = objects
        self._queue = queue
        self._asker = asker
        self._config = config
        self._pace = pace or Pace()
        self._driven: set[asyncio.Task[None]] = set()

    def run(self, stop: threading.Event) -> None:
        """Look and drive until told to stop; what is being asked then is dropped, and asked again by the next hold.

        Args:
            stop: set by a signal.
        """
        asyncio.run(self.drive_all(stop.is_set))

    async def drive_all(self, stopped: Callable[[], bool]) -> None:
        """Look for batches and drive them side by side.

        Args:
            stopped: whether to stop.
        """
        try:
            while not stopped():
                await self._take_some()
                await asyncio.sleep(self._pace.seconds_between_looks)
        finally:
            for task in self._driven:
                task.cancel()
            await asyncio.gather(*self._driven, return_exceptions=True)
            await self._asker.close()

    async def _take_some(self) -> None:
        room = self._config.max_running - len(self._driven)
        with going_on("batches"):
            for seen in (await asyncio.to_thread(self._queue.due))[: max(room, 0)]:
                if held := await asyncio.to_thread(self._queue.hold, seen):
                    task = asyncio.create_task(self._drive(held))
                    self._driven.add(task)
                    task.add_done_callback(self._driven.discard)

    async def _drive(self, held: HeldBatch) -> None:
        """One batch's fault must not hold up the others; its hold runs out, and it is tried again."""
        batch = held.batch
        try:
            with going_on(batch.id):
                while batch.state not in ENDED_BATCH_STATES:
                    batch = await self._step(HeldBatch(batch, held.token))
        except asyncio.CancelledError:
            with contextlib.suppress(PlatformError):
                self._queue.release(batch)
            raise

    async def _step(self, held: HeldBatch) -> Batch:
        batch = held.batch
        try:
            match batch.state:
                case "validating":
                    return await self._validate(batch)
                case "in_progress" if time.time() < batch.expires_at:
                    return await self._answer(held)
                case "in_progress":
                    return await self._end(await self._give_up(batch), "expired")
                case "cancelling":
                    return await self._end(batch, "cancelled")
                case _:
                    return await self._end(batch, "completed")
        except NotFoundError as error:
            # The input was deleted under the batch: what is answered is kept.
            return await self._end(
                batch, "failed", faults=[LineFault("input_file_unavailable", error.message)]
            )

    async def _validate(self, batch: Batch) -> Batch:
        def look() -> Any:
            with self._lines(batch) as lines:
                return check_lines(lines, endpoint=batch.endpoint)

        async with self._kept(batch):
            checked = await asyncio.to_thread(look)
        if checked.faults:
            return await self._end(batch, "failed", faults=checked.faults)
        model = checked.models.pop() if len(checked.models) == 1 else None
        return await asyncio.to_thread(self._queue.begin, batch, total=checked.total, model=model)

    async def _answer(self, held: HeldBatch) -> Batch:
        """Have the lines answered that are not done, a few at a time, until all are or something else is wanted."""
        batch = held.batch
        progress = Progress(Cursor(batch.cursor_line, batch.cursor_offset, tuple(batch.ahead)))
        numbers = itertools.count(len(await asyncio.to_thread(self._queue.parts, batch)))
        asked: set[asyncio.Task[Result]] = set()
        results: list[Result] = []
        renewed = recorded = time.monotonic()
        with self._lines(batch) as lines:
            try:
                read_all = False
                while not (read_all and not asked and not results):
                    while not read_all and len(asked) < self._config.parallel:
                        line = await asyncio.to_thread(next, lines, None)
                        if line is None:
                            read_all = True
                        elif progress.take(line):
                            asked.add(asyncio.create_task(self._ask(held, line)))
                    if asked:
                        wait_seconds = self._pace.seconds_between_looks
                        done, asked = await asyncio.wait(
                            asked, timeout=wait_seconds, return_when=asyncio.FIRST_COMPLETED
                        )
                        results += [task.result() for task in done]
                    now = time.monotonic()
                    full = len(results) >= _MOST_RESULTS_IN_A_PART or not asked
                    if results and (full or now - recorded > self._pace.seconds_between_parts):
                        some, results, renewed, recorded = results, [], now, now
                        batch = await self._record(batch, next(numbers), some, progress)
                    elif now - renewed > self._pace.seconds_between_renewals:
                        batch, renewed = await asyncio.to_thread(self._queue.renew, batch), now
                    if batch.state != "in_progress" or time.time() >= batch.expires_at:
                        break
            finally:
                await _drop(asked)
                if results:
                    batch = await self._record(batch, next(numbers), results, progress)
        if batch.state == "in_progress" and time.time() < batch.expires_at:
            return await asyncio.to_thread(self._queue.finalizing, batch)
        return batch

    async def _ask(self, held: HeldBatch, line: Line) -> Result:
        fields = parse_line(line)
        answer = await self._asker.ask(held.batch.endpoint, fields.body, token=held.token)
        return Result(line.number, fields.custom_id, answer.status, answer.request_id, answer.body)

    async def _record(self, batch: Batch, number: int, results: list[Result], progress: Progress) -> Batch:
        def write() -> Batch:
            part = write_part(self._objects, batch, number, results)
            return self._queue.record(batch, part, progress.finish(result.line for result in results))

        return await asyncio.to_thread(write)

    async def _give_up(self, batch: Batch) -> Batch:
        """Say of every line that is not done that it came too late."""
        progress = Progress(Cursor(batch.cursor_line, batch.cursor_offset, tuple(batch.ahead)))
        numbers = itertools.count(len(await asyncio.to_thread(self._queue.parts, batch)))
        with self._lines(batch) as lines:
            while late := await asyncio.to_thread(lambda: list(itertools.islice(lines, 1000))):
                results = [
                    Result(line.number, parse_line(line).custom_id, error=_EXPIRED)
                    for line in late
                    if progress.take(line)
                ]
                if results:
                    batch = await self._record(batch, next(numbers), results, progress)
        return batch

    async def _end(self, batch: Batch, state: BatchState, *, faults: list[LineFault] | None = None) -> Batch:
        """Put the parts together into files, which appear in the moment in which the batch ends."""

        def join() -> tuple[FileRow | None, FileRow | None]:
            return self._join(batch, "output"), self._join(batch, "errors")

        async with self._kept(batch):
            output, errors = await asyncio.to_thread(join)
        shown = [fault.to_json() for fault in faults or []]
        ended = await asyncio.to_thread(
            self._queue.end, batch, state, output=output, errors=errors, faults=shown
        )
        if ended.state in ENDED_BATCH_STATES:
            await asyncio.to_thread(self._objects.delete_all, results_prefix(batch.project_id, batch.id))
        return ended

    def _join(self, batch: Batch, kind: str) -> FileRow | None:
        folder = results_prefix(batch.project_id, batch.id)
        keys = [
            f"{folder}/{part.name}.{kind}"
            for part in self._queue.parts(batch)
            if (part.num_output if kind == "output" else part.num_errors)
        ]
        if not keys:
            return None
        file_id = new_id(FILE_PREFIX)
        size = self._objects.join(keys, file_key(batch.project_id, file_id))
        return file_row(
            file_id,
            project_id=batch.project_id,
            filename=f"{batch.id}_{kind}.jsonl",
            purpose="batch_output",
            bytes=size,
            expires_after_seconds=batch.output_seconds,
        )

    @contextlib.contextmanager
    def _lines(self, batch: Batch) -> Iterator[Iterator[Line]]:
        """The lines from the cursor on; the file is closed at the end."""
        files = FileStore(self._database, self._objects, batch.project_id)
        with files.content(batch.input_file_id, start=batch.cursor_offset) as pieces:
            yield read_lines(pieces, number=batch.cursor_line, offset=batch.cursor_offset)

    @contextlib.asynccontextmanager
    async def _kept(self, batch: Batch) -> AsyncIterator[None]:
        """Renew the hold while something takes long; a hold that is lost is met by the next write."""

        async def renew() -> None:
            with contextlib.suppress(PlatformError):
                while True:
                    await asyncio.sleep(self._pace.seconds_between_renewals)
                    await asyncio.to_thread(self._queue.renew, batch)

        task = asyncio.create_task(renew())
        try:
            yield
        finally:
            await _drop({task})


async def _drop(tasks: set[asyncio.Task[Any]]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
