// SPDX-License-Identifier: Apache-2.0
import { render } from "preact";

import { Root } from "./Root";
import "./styles/index.css";

const place = document.getElementById("report");
if (place === null) throw new Error("index.html has no element with the id report");
render(<Root />, place);
