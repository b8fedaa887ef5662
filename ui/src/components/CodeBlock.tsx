// SPDX-License-Identifier: Apache-2.0
import { useState } from "preact/hooks";

import { useWords } from "../i18n/words";

export function CodeBlock({ code }: { code: string }) {
  const { t } = useWords();
  const [copied, setCopied] = useState(false);
  const copy = (): void => {
    void navigator.clipboard.writeText(code).then(() => setCopied(true));
  };
  return (
    <div class="code">
      <pre>{code}</pre>
      {/* Only there in a secure context: https, or this machine. */}
      {navigator.clipboard !== undefined && (
        <button type="button" onClick={copy}>
          {t(copied ? "empty.copied" : "empty.copy")}
        </button>
      )}
    </div>
  );
}
