// SPDX-License-Identifier: Apache-2.0
import type { Report } from "../api/report";

export interface PageProps {
  report: Report;
}
