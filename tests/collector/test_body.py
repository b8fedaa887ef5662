# SPDX-License-Identifier: Apache-2.0
"""Reading bodies within bounds."""

from __future__ import annotations

import gzip
import io
import tracemalloc
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wsgiapm.collector.body import MAX_COMPRESSED, MAX_DECOMPRESSED, BodyTooLargeError, BrokenBodyError, read_body


@given(st.binary(max_size=2000), st.sampled_from(["", "identity", "gzip"]))
def test_a_body_is_read_as_it_was_sent(body, encoding):
    """Compressed or not."""
    sent = gzip.compress(body) if encoding == "gzip" else body

    assert read_body(io.BytesIO(sent), encoding, len(sent)) == body


def test_a_body_of_several_gzip_members_is_read_whole():
    """RFC 1952 allows them."""
    assert read_body(io.BytesIO(gzip.compress(b"one ") + gzip.compress(b"two")), "gzip") == b"one two"


def test_a_bomb_is_refused_before_it_is_inflated():
    """A thousandfold expansion costs the limit at most, not what it would inflate to."""
    compressor = zlib.compressobj(9, zlib.DEFLATED, 31)
    megabyte = bytes(1 << 20)
    bomb = b"".join([compressor.compress(megabyte) for _ in range(1024)]) + compressor.flush()
    assert len(bomb) < MAX_COMPRESSED

    tracemalloc.start()
    with pytest.raises(BodyTooLargeError, match="inflates"):
        read_body(io.BytesIO(bomb), "gzip")
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert peak < 3 * MAX_DECOMPRESSED


def test_a_bomb_of_many_members_is_refused():
    """The limit is for the whole body."""
    with pytest.raises(BodyTooLargeError, match="inflates"):
        read_body(io.BytesIO(gzip.compress(bytes(1 << 20)) * 33), "gzip")


def test_a_large_body_is_not_read_to_its_end():
    """Reading stops at the limit, also when no length was announced."""
    stream = io.BytesIO(bytes(2 * MAX_COMPRESSED))

    with pytest.raises(BodyTooLargeError, match="larger"):
        read_body(stream, "")

    assert stream.tell() < 2 * MAX_COMPRESSED


@pytest.mark.parametrize(
    "body", [b"garbage", b"\x1f\x8b\x08\x00garbage", gzip.compress(b"x" * 100, mtime=0)[:-4], b"\x1f"], ids=range(4)
)
def test_what_is_not_gzip_is_refused(body):
    """Garbage, a damaged stream, one that is cut off."""
    with pytest.raises(BrokenBodyError, match="gzip"):
        read_body(io.BytesIO(body), "gzip")


def test_a_body_that_ends_early_is_refused():
    """Half of a message can be a valid message, so the length is checked."""
    with pytest.raises(BrokenBodyError, match="ends after 4 of 10"):
        read_body(io.BytesIO(b"half"), "", 10)


def test_a_body_that_stops_arriving_is_refused():
    """The client is gone or has fallen silent."""

    class Silent:
        def read(self, size):
            raise TimeoutError

    with pytest.raises(BrokenBodyError, match="stopped arriving"):
        read_body(Silent(), "")
