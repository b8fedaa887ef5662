// SPDX-License-Identifier: Apache-2.0
import type { Operation, Site, Statement } from "../api/types";

/** A statement's name in the address. */
export function statementKey(statement: Statement): string {
  return statement.system === null ? statement.fingerprint : `${statement.system}:${statement.fingerprint}`;
}

/** Where in the code, as editors and terminals understand it. */
export function placeOf(site: Site): string {
  const line = site.line === null ? "" : `:${site.line}`;
  return `${site.file ?? "?"}${line}`;
}

/** `SELECT walks`. */
export function operationName(operation: Operation | Statement): string {
  return [operation.operation, operation.collection].filter((part) => part !== null).join(" ") || "–";
}

/** `shop @ db1:3306`, or the path of a socket or file. */
export function serverName(operation: Operation | Statement): string {
  const { namespace, server_address: address, server_port: port } = operation;
  const server = address === null ? null : port === null ? address : `${address.includes(":") ? `[${address}]` : address}:${port}`;
  return [namespace, server].filter((part) => part !== null && part !== "").join(" @ ") || "–";
}
