#!/bin/sh
# Runs Bun for the package scripts: `sh scripts/bun.sh FILE [ARGUMENT …]`.
# Where install scripts are switched off, the package `bun` holds only a stub in place of the
# program, which its own install.js puts there.
PATH="$(dirname "$0")/../node_modules/.bin:$PATH"
export PATH
bun --version >/dev/null 2>&1 || node node_modules/bun/install.js || exit 1
exec bun "$@"
