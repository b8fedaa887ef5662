// SPDX-License-Identifier: Apache-2.0
import { getJson, type Parameters } from "./client";
import type { Query } from "./report";
import type { Operation, Statement } from "./types";
import { resolveRange } from "../state/range";

/** More nobody reads; the server has them sorted by the time they take. */
const STATEMENTS_AT_MOST = 200;

export interface DatabaseReport {
  operations: Operation[];
  statements: Statement[];
  /** How many statements there are, and the seconds of all of them. */
  count: number;
  seconds: number;
}

export async function loadDatabases(query: Query, signal: AbortSignal): Promise<DatabaseReport> {
  const window: Parameters = { app: query.app, environment: query.environment, ...resolveRange(query.range) };
  const [list, sql] = await Promise.all([
    getJson<{ operations: Operation[] }>("databases", window, signal),
    getJson<{ statements: Statement[]; count: number; seconds: number }>("sql", { ...window, limit: STATEMENTS_AT_MOST }, signal),
  ]);
  return { operations: list.operations, ...sql };
}
