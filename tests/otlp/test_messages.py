# SPDX-License-Identifier: Apache-2.0
"""The protobuf primitives, against the protobuf runtime; and what none of the modules of the wire may load."""

from __future__ import annotations

import contextlib
import subprocess
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from opentelemetry.proto.collector.metrics.v1 import metrics_service_pb2
from opentelemetry.proto.common.v1 import common_pb2
from opentelemetry.proto.metrics.v1 import metrics_pb2

from wsgiapm import otlp

WIRE = ("wsgiapm.otlp", "wsgiapm.uploader", "wsgiapm.exporters.otlp", "wsgiapm.exporters.prometheus")
NEVER_BEFORE_NEEDED = ("google", "requests", "ssl", "urllib3", "http", "socket", "logging", "asyncio", "threading")

INT64 = st.integers(-(2**63), 2**63 - 1)
TEXT = st.text(st.characters(exclude_categories=["Cs"]))


def test_importing_the_wire_loads_nothing_that_must_come_later():
    """None of our modules loads the protobuf runtime, requests or anything of the network when it is imported."""
    code = f"import sys, {', '.join(WIRE)}; print(*sorted(sys.modules))"
    output = subprocess.run([sys.executable, "-S", "-c", code], capture_output=True, text=True, check=True).stdout
    loaded = {name.partition(".")[0] for name in output.split()}
    assert "wsgiapm" in loaded
    assert loaded.isdisjoint(NEVER_BEFORE_NEEDED)


@settings(deadline=None)
@given(TEXT, TEXT | INT64)
def test_attributes_are_read_back_by_protobuf(name, value):
    """Any name, any text and any 64-bit integer, zero and the empty text included, arrive as they were."""
    parsed = common_pb2.KeyValue.FromString(otlp.key_value(name, value))
    kind = "int_value" if isinstance(value, int) else "string_value"
    assert parsed.key == name
    assert parsed.value.WhichOneof("value") == kind
    assert getattr(parsed.value, kind) == value


def test_undecodable_bytes_in_a_text_do_not_spoil_the_message():
    """A lone surrogate, as WSGI servers make of bytes that are no UTF-8, becomes a question mark."""
    parsed = common_pb2.KeyValue.FromString(otlp.key_value("http.route", "/caf\udce9/"))
    assert parsed.value.string_value == "/caf?/"


@pytest.mark.parametrize("value", [2**63, -(2**63) - 1])
def test_an_attribute_beyond_64_bits_goes_as_text(value):
    """An integer that protobuf cannot hold is not wrapped around."""
    assert common_pb2.KeyValue.FromString(otlp.key_value("n", value)).value.string_value == str(value)


@pytest.mark.parametrize("value", [2**63, -(2**63) - 1])
def test_a_number_beyond_64_bits_goes_as_a_double(value):
    """A total that as_int cannot hold is sent as the nearest double."""
    assert metrics_pb2.NumberDataPoint.FromString(otlp.number_point(b"", b"", value)).as_double == float(value)


@settings(deadline=None)
@given(st.lists(st.tuples(st.integers(1, 2**29 - 1), st.integers(0, 2**64 - 1) | st.binary())))
def test_fields_reads_what_was_written(written):
    """The reader yields every field in order, numbers as numbers and bytes as bytes."""
    data = b"".join(
        otlp.varint(number << 3) + otlp.varint(value) if isinstance(value, int) else otlp.message(number, value)
        for number, value in written
    )
    assert list(otlp.fields(data)) == written


def test_fields_steps_over_numbers_of_fixed_width():
    """Fields of four and of eight bytes are yielded raw."""
    data = b"\x0d" + b"abcd" + b"\x11" + b"12345678" + b"\x18\x05"
    assert list(otlp.fields(data)) == [(1, b"abcd"), (2, b"12345678"), (3, 5)]


@pytest.mark.parametrize(
    "data",
    [b"\x0a", b"\x0a\x05ab", b"\x0b", b"\x80" * 11, b"<html>", b"\x0d12"],
    ids=["no length", "cut off", "group", "endless number", "html", "short fixed"],
)
def test_fields_refuses_what_is_no_message(data):
    """Anything that is not a whole message is a ValueError, and nothing else."""
    with pytest.raises(ValueError, match=r"not a (whole )?protobuf message"):
        list(otlp.fields(data))


@settings(deadline=None)
@given(st.sampled_from([otlp.partial_success, otlp.status_message]), st.binary())
def test_reading_an_answer_raises_nothing_but_value_error(read, data):
    """Whatever a server sends, the answer is read or refused."""
    with contextlib.suppress(ValueError):
        read(data)


@settings(deadline=None)
@given(st.integers(0, 2**63 - 1), TEXT)
def test_partial_success_is_read(refused, reason):
    """The number of refused points and the server's message come out as protobuf put them in."""
    answer = metrics_service_pb2.ExportMetricsServiceResponse()
    answer.partial_success.rejected_data_points = refused
    answer.partial_success.error_message = reason
    assert otlp.partial_success(answer.SerializeToString()) == (refused, reason)


def test_an_empty_answer_refuses_nothing():
    """An empty body is what a full success looks like."""
    assert otlp.partial_success(b"") == (0, "")


def test_the_message_of_an_error_is_read():
    """The body of an error is a google.rpc.Status: code in field 1, message in field 2."""
    assert otlp.status_message(b"\x08\x03" + otlp.text(2, "bad point")) == "bad point"
    assert otlp.status_message(b"\x08\x03") == ""
