// SPDX-License-Identifier: Apache-2.0
import { useState } from "preact/hooks";

import { login } from "../api/client";
import { useWords } from "../i18n/words";

export function Login({ onDone }: { onDone: () => void }) {
  const { t } = useWords();
  const [problem, setProblem] = useState("");
  const [busy, setBusy] = useState(false);

  const submit = async (event: SubmitEvent): Promise<void> => {
    event.preventDefault();
    const token = new FormData(event.currentTarget as HTMLFormElement).get("token");
    setBusy(true);
    try {
      const taken = await login(String(token).trim());
      setProblem(taken ? "" : t("login.wrong"));
      if (taken) onDone();
    } catch (error) {
      setProblem(error instanceof TypeError ? t("refresh.silent.never") : t("refresh.refused", { message: String(error) }));
    }
    setBusy(false);
  };

  return (
    <main class="centred" id="content" tabIndex={-1}>
      <form class="card" data-testid="login" onSubmit={(event) => void submit(event)}>
        <h1>{t("login.title")}</h1>
        <p>{t("login.text")}</p>
        <label>
          {t("login.token")}
          <input type="password" name="token" required autoFocus autocomplete="current-password" spellcheck={false} aria-invalid={problem !== ""} aria-describedby="login-problem" />
        </label>
        <p id="login-problem" class="problem" role="alert">
          {problem}
        </p>
        <button type="submit" class="primary" disabled={busy}>
          {t("login.submit")}
        </button>
        <p class="hint">{t("login.lost")}</p>
      </form>
    </main>
  );
}
