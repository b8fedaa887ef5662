# SPDX-License-Identifier: Apache-2.0
"""The file format of a shared directory, version 1.

All integers are little-endian. A *word* is an aligned 64-bit unsigned integer; every word that changes while the file
is in use is written by one aligned 8-byte store. Times are nanoseconds: *monotonic* since boot (CLOCK_MONOTONIC),
*wall* since 1970 (UTC).

The directory (mode 0700, one owner) is one instance of one app. It holds::

    index        what the cells mean: a header page and records, only ever appended to
    locks        an empty file whose bytes are locked with POSIX record locks; opened once per process, never closed
    segment-N    the counters of one living process (N = 0, 1, ...), or what a dead one left
    journal-N    events of the same process, made at its first event
    black-box-N  what the interpreter wrote when the process died of a signal, as text
    damaged-N    a file that was no segment of this instance, set aside (N below 3)
    index.new    the index while it is being made

Locks (byte offsets in ``locks``)::

    0            held while a record is appended to the index, or the index is created
    1            held by the process that harvests (the leader)
    2            held while the sums are read and uploaded, so that smaller sums never follow larger ones
    3            held while a file is made longer, from looking at what all files take to having allocated it
    16 + N       held by the process that owns segment N, as long as it lives
    2**24 + F    held for an hour by the process that asked for the plan of the statement whose fingerprint begins
                 with the 24 bits F, so that no other one does
    2**32 + PID  held for a moment, by an open file description, in a process that takes one of the others: it may
                 run several interpreters, of which the kernel knows nothing

A record lock belongs to the process, is not inherited over fork and is freed by the kernel at the end of the process,
however it ends. A segment whose byte is free is nobody's: what it counted stays valid, and the next process adopts it.

index
-----
Page 0 (4096 bytes)::

    0    8   magic "wsgiapmI"
    8    4   format version (1)
    12   4   length of the identity
    16   8   word: bytes of records that are complete, counted from offset 4096
    24   8   wall time of creation: the start of every sum of this instance
    32   16  the epoch, a random UUID
    48   4   CRC-32 of bytes 24 to 47 and of the identity
    52   4   CRC-32 of the next 8 bytes
    56   8   the budget: bytes all files may take together, for who has no other; 0 or a wrong CRC-32: not said
    64   n   identity: JSON object with "app", "environment", "instance"; at most 3984 bytes
    4048 8   word: CRC-32 of the line that last said where the counters go, and of the boot
    4056 8   word: monotonic time at which it was last put back after a removal, 0: never
    4064 8   word: wall time of the sums last uploaded        4072 8  word: monotonic time of the same
    4080 8   word: how many requests under (other) the last event of that told of
    4088 8   word: wall time of that event

Records follow without gaps; behind the last one the file may go on with zeros.
A writer holds lock 0, writes the record behind the complete ones and then raises the word
at 16, so what a killed writer left half done is not seen and is overwritten::

    0    4   length of the body
    4    4   CRC-32 of the body
    8    n   body: one byte that tells the type, and its fields

    type 1, chunk    u8 kind (1: words, merged by adding; 2: float64, merged by the mode of their series).
                     Chunks are numbered from 0 in the order of their records.
    type 2, table    u64 Apdex T in nanoseconds. Tables are numbered from 0. A table's cells: `histogram.table`.
    type 3, series   u8 kind, u8 number of head cells, u32 address of the head, then JSON [metric, {attribute: value}].
                     Series are numbered from 0. Kinds: 1 counter (head: the count), 2 histogram of durations
                     (head: sum of nanoseconds), 3 the same, each entry being one finished transaction (head: sums of
                     the nanoseconds up to the first byte and after it, which together are the duration; of bytes),
                     4 parts of the durations of those transactions of the series of kind 3 with the same attributes
                     that called something (head: the sums of their nanoseconds up to the first byte and after it,
                     which are not in the head of that series; and what of both was spent in templates, databases,
                     caches, other services, messages, and in the server between two pieces of the response),
                     5 gauge in a float64 cell, 6 calls that the transactions of a route make (head: calls,
                     their nanoseconds, transactions that made 5 or more).
    type 4, block    u8 octave, u16 table, u32 series, u32 address. The cells of that octave of that histogram.
    type 5, name     UTF-8 text. Names are numbered from 0 and used in the rows of requests in flight.
    type 6, example  JSON [reason, route] of a request that was counted under (other), or of a call: ["operation:
                     reason", name] or ["caller: reason", route]; there are at most 16.

A record of any other type is of a later version, and is passed over.

An *address* counts cells from the start of chunk 0; cells of one head or block never cross a chunk.

segment-N
---------
::

    0        4096      header, words (numbered from 0):
                         0      magic "wsgiapmS"
                         1      format version (1)
                         2-3    the epoch of the index this belongs to
                         4      N                                 5   rows that are allocated: 128 (or 0), or 2048
                         8      pid of the owner                  9   its start time (clock ticks since boot)
                         10     inode of its pid namespace        11  monotonic time of the claim
                         12     wall time of the claim            13  raised by claims (by 2) and settlements
                         14     word 32 at the time of the claim  15  1 once all of it is in another file
                         32     transactions begun, of all owners
                         33     transactions now running without a row
                         34     CPU time used by all owners       35  how many owners there have been
                         36     1 once the server has told the owner to end because a request took too long
                         37     1 if the owner says so when it ends, 2 once it has, 3 once its end has been told; else 0
                         38     monotonic time by which the owner's next sign of life is due, 0 if it gives none
                         39     Apdex T the owner counts with
                         40     resident memory in bytes          41  threads
                         42     open files                        43  monotonic time of the last harvest
                         44     what the owner knows of its process, bits: 0 this is known, 1 started by a server's
                                hook, 2 in gunicorn, 3 in uwsgi, 4 no thread can run, 5 gevent has patched it,
                                6 only after the agent had started, 7 urllib3 was imported before that,
                                8 its server speaks ASGI, 9 its Python has no global lock; 16-23 number of bad settings
                         45     HTTP status of the owner's last upload, 1 when nobody answered
                         46     monotonic time of the owner's last upload that was delivered
                         48-52  errors of the agent itself, of all owners, caught in: 48 the middleware, 49 the
                                agent, 50 the instruments, 51 the harvest, 52 the start without code changes
    4096     65536     rows of requests in flight, 2048 rows of 4 words:
                         0      monotonic start, 0 when the row is free
                         1      name << 32 | method << 8 | scheme << 4 | state
                         2      native identifier of the thread; in states 3 and 4 the duration
                         3      in states 3 and 4: status code, + 65536 if it failed; else 0. A task's status: 1 it
                                went well, 2 it failed, 3 it is to be tried again
                         Methods: 0 any other, 1 GET, 2 HEAD, 3 POST, 4 PUT, 5 DELETE, 6 CONNECT, 7 OPTIONS,
                         8 TRACE, 9 PATCH, 10 QUERY. Schemes: 0 http, 1 https.
                         Method 255: no request but a background task. States: 1 running, 2 being counted, 3 ended and
                         waiting for a free index, 4 as 3, and being counted; 5 being counted as aborted by an adopter
    69632    65536 k   chunks 0 to k - 1: cells

All segments have the same cells at the same place, so the merged counters are the sum of the files; one in which a cell
of integers is 2**63 or more is damaged and left out. A process counts in its own segment only. A file grows by whole
chunks that are allocated before they are mapped, and never shrinks. Different files may have different numbers of
chunks. Between the rows that are allocated and the first chunk there may be a hole: it reads as zeros, and nobody may
look into it through a mapping, for on a full file system that kills the process. Who needs more rows allocates the hole
and then sets word 5 to 2048.

A transaction begins by raising word 32 and then writing its row. It ends by setting its row's state to 2, adding to
the sums, adding 1 to exactly one histogram cell of a series of kind 3 (this store is the commit), and freeing the row.
So at any instant: begun = committed + aborted + running + ended. What a killed process left is
``begun - committed - aborted``: an adopter adds as many to ``wsgiapm.aborted_requests`` and ``wsgiapm.aborted_tasks``, by the rows (those in states 3
and 4 it commits); if there are more rows than that, it first frees as many that had been counted already: of those in
states 4 and 5, then of those in state 2. A transaction that
is to be ignored lowers word 32 again.

A claim raises word 13 by 2. Settling raises it to an odd number, deals with the rows one by one, frees the rest, sets word 32 to what is now
committed and aborted, and raises word 13 to an even number. A settler may die after any store: settling anew gives the
same totals. A reader that finds word 13 odd, or the lock held by another process than the header
names, reads the segment as a dead process's; one that finds that the lock or word
13 changed while it read, reads again.

A segment whose lock is free is still not anybody's as long as the process its header names lives in the reader's own
pid namespace: that process lost its locks when something in it closed all descriptors.

journal-N
---------
::

    0    8   magic "wsgiapmJ"; missing while the file is being made
    8    8   format version (1)
    16   16  the epoch of the index this belongs to
    32   8   N
    40   8   capacity: the bytes of the ring, a multiple of 8
    64   8   word: bytes of events ever written; only the owner of segment N raises it
    72   8   word: bytes of events ever consumed; only the leader raises it
    4096 c   the ring: byte b of what was ever written is at 4096 + b mod capacity; allocated when the file is made

Events follow each other, each at a multiple of 8::

    0    4   length of the payload
    4    4   CRC-32 of all that follows up to the end of the payload (of a padding: of bytes 8 to 23)
    8    8   wall time
    16   4   kind: 0 padding, 1 a worker died, 3 where in the code a statement is, or a plan of it
    20   4   reserved, 0
    24   n   payload: JSON, and zeros up to a multiple of 8

An event never crosses the end of the ring: a padding fills the room that is too small, or zeros where not even that fits.
The writer writes behind what is written and then raises the word at 64, so what a killed writer left half done is not
seen and is overwritten. It never overwrites what has not been consumed; an event without room is dropped and counted.
An event may be delivered twice, when a leader dies between delivering it and raising the word at 72.

The payload of kinds 1 and 3 is ``{"event": name, "body": sentence, "attributes": {name: text or integer}}``.
"""

from __future__ import annotations

import struct
from typing import Final

VERSION: Final = 1
PAGE: Final = 4096
WORD: Final = 8

INDEX_MAGIC: Final = b"wsgiapmI"
INDEX_HEADER: Final = struct.Struct("<8sIIQQ16sI")
COMMITTED_OFFSET: Final = 16
CREATED_OFFSET: Final = 24
LIMIT_OFFSET: Final = 52
LIMIT: Final = struct.Struct("<IQ")
IDENTITY_OFFSET: Final = 64
SAID_OFFSET: Final = 4048
RESTORED_OFFSET, UPLOADED_OFFSET, UPLOADED_AT_OFFSET, TOLD_OFFSET, TOLD_AT_OFFSET = 4056, 4064, 4072, 4080, 4088
INDEX_NAME: Final = "index"
INDEX_STEP: Final = 16384
RECORD: Final = struct.Struct("<II")
U64: Final = struct.Struct("<Q")

CHUNK_RECORD, TABLE_RECORD, SERIES_RECORD, BLOCK_RECORD, NAME_RECORD, EXAMPLE_RECORD = 1, 2, 3, 4, 5, 6
CHUNK: Final = struct.Struct("<BB")
TABLE: Final = struct.Struct("<BQ")
SERIES: Final = struct.Struct("<BBBI")
BLOCK: Final = struct.Struct("<BBHII")

INTEGERS, FLOATS = 1, 2
COUNTER, HISTOGRAM, TRANSACTIONS, PARTS, GAUGE, CALLS = 1, 2, 3, 4, 5, 6

INDEX_LOCK, LEADER_LOCK, UPLOAD_LOCK, ROOM_LOCK, SEGMENT_LOCKS = 0, 1, 2, 3, 16
MAX_SEGMENTS: Final = 1024
PLAN_LOCKS: Final = 1 << 24

SEGMENT_MAGIC: Final = b"wsgiapmS"
SEGMENT_START: Final = struct.Struct("<8sQ16sQ")
ROWS: Final = 2048
FIRST_ROWS: Final = 128
ROW_WORDS: Final = 4
ROWS_OFFSET: Final = PAGE
ROWS_BYTES: Final = ROWS * ROW_WORDS * WORD
CHUNK_BYTES: Final = 65536
CHUNK_CELLS: Final = CHUNK_BYTES // WORD
CELLS_OFFSET: Final = ROWS_OFFSET + ROWS_BYTES
FIRST_CELL: Final = CELLS_OFFSET // WORD
FIRST_ROW: Final = ROWS_OFFSET // WORD
FIRST_ROWS_END: Final = ROWS_OFFSET + FIRST_ROWS * ROW_WORDS * WORD
NUMBER, MOVED = 4, 15
ROWS_ALLOCATED: Final = 5

PID, STARTED_TICKS, PID_NAMESPACE, CLAIMED_MONOTONIC, CLAIMED_WALL, SETTLEMENTS, BEGUN_AT_CLAIM = (
    8,
    9,
    10,
    11,
    12,
    13,
    14,
)
BEGUN, ROWLESS, CPU_TIME, OWNERS, TIMED_OUT, FAREWELL, DUE, APDEX_T = 32, 33, 34, 35, 36, 37, 38, 39
RESIDENT_MEMORY, THREADS, OPEN_FILES, LAST_HARVEST = 40, 41, 42, 43
SURROUNDINGS, UPLOAD_STATUS, LAST_DELIVERY = 44, 45, 46
MIDDLEWARE_ERRORS, AGENT_ERRORS, INSTRUMENT_ERRORS, HARVEST_ERRORS, BOOTSTRAP_ERRORS = 48, 49, 50, 51, 52
GATES = {
    MIDDLEWARE_ERRORS: "middleware",
    AGENT_ERRORS: "agent",
    INSTRUMENT_ERRORS: "instruments",
    HARVEST_ERRORS: "harvest",
    BOOTSTRAP_ERRORS: "bootstrap",
}
NO_ANSWER = 1

PROMISED, TAKEN, TOLD = 1, 2, 3

RUNNING, COUNTING, ENDED, ENDED_COUNTING, ABORTING = 1, 2, 3, 4, 5
FAILED: Final = 1 << 16


JOURNAL_MAGIC: Final = b"wsgiapmJ"
JOURNAL_START: Final = struct.Struct("<8sQ16sQQ")
JOURNAL_WORDS: Final = struct.Struct("<QQ")
WRITTEN_OFFSET, CONSUMED_OFFSET = 64, 72
EVENT_REST: Final = struct.Struct("<QII")
EVENT: Final = struct.Struct("<IIQII")
PADDING_EVENT, WORKER_DIED_EVENT, SERIES_LIMIT_EVENT, SQL_EVENT = 0, 1, 2, 3


def segment_name(number: int) -> str:
    """Return the file name of a segment."""
    return f"segment-{number}"


def journal_name(number: int) -> str:
    """Return the file name of the journal that belongs to a segment."""
    return f"journal-{number}"


def segment_start(epoch: bytes, number: int) -> bytes:
    """Return the first words of a segment that is whole."""
    return SEGMENT_START.pack(SEGMENT_MAGIC, VERSION, epoch, number)


def is_segment_size(size: int) -> bool:
    """Tell whether a segment can have so many bytes; one that has none yet is just being made."""
    return not size or (size > CELLS_OFFSET and (size - CELLS_OFFSET) % CHUNK_BYTES == 0)


def segment_size(chunks: int) -> int:
    """Return the length in bytes of a segment with this many chunks."""
    return CELLS_OFFSET + chunks * CHUNK_BYTES


def allocated_size(chunks: int) -> int:
    """Return the bytes such a segment takes, as long as it has no more rows than at first."""
    return FIRST_ROWS_END + chunks * CHUNK_BYTES


def usable_rows(allocated: int) -> int:
    """Return how many rows a segment has whose header says that so many are allocated."""
    return min(max(allocated, FIRST_ROWS), ROWS)
