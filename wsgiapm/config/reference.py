# SPDX-License-Identifier: Apache-2.0
"""What is written about the settings, made from their one list: the commented ini file and docs/configuration.md.

`python -m wsgiapm.config.reference > docs/configuration.md` brings the page up to date.
"""

from __future__ import annotations

import sys

from wsgiapm.config.settings import OPTIONS, Option

_INI_HEAD = """\
# Settings of wsgiapm. WSGIAPM_CONFIG_FILE names this file to the app's processes.
# Keywords of APMMiddleware and environment variables (WSGIAPM_<NAME>) count before it.
# A line that starts with # is not read; behind it stands the default.
# Units are part of a value: 500ms, 2s, 1m, 30d, 64MiB; a bare number is seconds or bytes.
# `wsgiapm check-config FILE` says what is in force, and what is wrong.

[wsgiapm]
"""

_INI_TAIL = """
# What differs in one environment; WSGIAPM_ENVIRONMENT=staging chooses it.
#[wsgiapm:staging]
#trace_sample = 100
"""

_PAGE_HEAD = """\
# Configuration

<!-- Made by `python -m wsgiapm.config.reference`; edit wsgiapm/config/settings.py instead. -->

Nothing has to be set. Every setting can be given in four places; the first that has it counts:

1. a keyword: `APMMiddleware(app, app_name="shop", apdex_t=0.3)`
2. the environment: `WSGIAPM_APP_NAME=shop`
3. a file, named by `WSGIAPM_CONFIG_FILE`: an ini with a section `[wsgiapm]`, and `[wsgiapm:NAME]` for what differs
   in the environment `NAME`, which `WSGIAPM_ENVIRONMENT` (or `environment` in `[wsgiapm]`) chooses
4. the default

`wsgiapm generate-config FILE` writes such a file, with everything in it and commented.
`wsgiapm check-config [FILE]` says for every setting its value and where it came from.
Neither command, nor any log line, shows the value of a secret.

```ini
[wsgiapm]
app_name = shop
apdex_t = 300ms
slow_threshold = 4t
ignore_paths = /health, /metrics

[wsgiapm:staging]
trace_sample = 100
```

- **Units** are part of the value. Durations: `us`, `ms`, `s`, `m`, `h`, `d`; a bare number is seconds.
  Sizes: `B`, `KiB`, `MiB`, `GiB`, `kB`, `MB`, `GB`; a bare number is bytes.
- **Yes or no**: `true`, `yes`, `on`, `1`, or `false`, `no`, `off`, `0`.
- **Lists** have commas, or in a file line ends, between their items.
- **Empty** text is a value for names, addresses, paths and lists (an empty `endpoint` means no upload);
  for numbers, choices and yes or no it is the same as not given.
- **A percent sign** stands for itself; there is no interpolation.
- **A mistake** never stops the app: it is one line in the log, and the default counts. In a `wsgiapm` command it is an
  error. A keyword that is no setting raises `TypeError`.

| Setting | Default | Kind | Meaning |
|---|---|---|---|
"""


def ini(license_key: str = "") -> str:
    """The text of a config file in which every setting is explained.

    Args:
        license_key: is set when not empty; everything else is commented out.
    """
    blocks = [_INI_HEAD]
    for option in OPTIONS.values():
        comment = f"# {option.doc.replace('`', '')}\n"
        if option.unset:
            comment += f"# By default: {option.unset.replace('`', '')}.\n"
        is_set = option.name == "license_key" and license_key
        line = f"license_key = {license_key}" if is_set else f"#{option.name} = {option.default_text}".rstrip()
        blocks.append(f"\n{comment}{line}\n")
    return "".join([*blocks, _INI_TAIL])


def markdown() -> str:
    """The page docs/configuration.md."""
    return _PAGE_HEAD + "".join(map(_row, OPTIONS.values()))


def _row(option: Option) -> str:
    default = option.unset or (f"`{option.default_text}`" if option.default_text else "empty")
    return f"| `{option.name}` | {default.replace('<', '&lt;')} | {option.kind.name} | {option.doc} |\n"


if __name__ == "__main__":
    sys.stdout.write(markdown())
