# SPDX-License-Identifier: Apache-2.0
"""Who reports: the app, its environment and the instance that a resource names."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from wsgiapm.collector.refusal import RefusedError
from wsgiapm.store.series import as_json

if TYPE_CHECKING:
    from collections.abc import Iterable

    from opentelemetry.proto.common.v1.common_pb2 import KeyValue
    from opentelemetry.proto.resource.v1.resource_pb2 import Resource

    from wsgiapm.collector.refusal import Refusals
    from wsgiapm.store.model import Attributes, Instance
    from wsgiapm.store.protocol import Writer

LONGEST_NAME = 255
_LONGEST_ATTRIBUTES = 4096


class Identity(NamedTuple):
    """An instance of an app; ``attributes`` is the resource as JSON."""

    app: str
    environment: str
    uid: str
    attributes: str


def identify(resource: Resource) -> Identity:
    """Return who a resource is.

    Raises:
        RefusedError: it does not say, or at unreasonable length.
    """
    attributes = read_attributes(resource.attributes)
    uid = str(attributes.get("service.instance.id", ""))
    if not uid:
        msg = "the resource has no service.instance.id, so what it sends cannot be told from another process's"
        raise RefusedError(msg)
    app = str(attributes.get("service.name", "")) or "unknown_service"
    environment = str(attributes.get("deployment.environment.name", attributes.get("deployment.environment", "")))
    if max(len(app), len(environment), len(uid)) > LONGEST_NAME:
        msg = f"the resource's name, environment or instance id is longer than {LONGEST_NAME} characters"
        raise RefusedError(msg)
    return Identity(app, environment, uid, bounded_json(attributes))


def admit(
    writer: Writer, identity: Identity, now: int, refusals: Refusals, count: int
) -> tuple[int, Instance] | tuple[None, None]:
    """Return the keys of an app and an instance, made at first sight; None where there is no room for one.

    Args:
        writer: the transaction.
        identity: who reports.
        now: epoch seconds.
        refusals: told when there is no room.
        count: how many points or records that concerns.
    """
    app = writer.app(identity.app, identity.environment)
    if app is None:
        refusals.add("the server has no room for another app", count)
        return None, None
    instance = writer.instance(app, identity.uid, identity.attributes, now)
    if instance is None:
        refusals.add("the app has too many instances", count)
        return None, None
    return app, instance


def read_attributes(pairs: Iterable[KeyValue]) -> Attributes:
    """Return the attributes that tell things apart: texts and numbers."""
    attributes: Attributes = {}
    for pair in pairs:
        form = pair.value.WhichOneof("value")
        if form == "string_value":
            attributes[pair.key] = pair.value.string_value
        elif form == "int_value":
            attributes[pair.key] = pair.value.int_value
        elif form == "bool_value":
            attributes[pair.key] = str(pair.value.bool_value).lower()
        elif form == "double_value":
            attributes[pair.key] = repr(pair.value.double_value)
    return attributes


def bounded_json(attributes: Attributes) -> str:
    """Return attributes as JSON, always the same for the same ones.

    Raises:
        RefusedError: they are unreasonably long.
    """
    text = as_json(attributes)
    if len(text) > _LONGEST_ATTRIBUTES:
        msg = f"attributes take more than {_LONGEST_ATTRIBUTES} characters"
        raise RefusedError(msg)
    return text
