#!/usr/bin/env bash
# Checks the libraries against deny.toml: licences, versions and sources always; known holes where the database can be had.
set -euo pipefail
cd "$(dirname "$0")/.."

if ! cargo deny --version >/dev/null 2>&1; then
    echo "deny: cargo-deny is missing: \`cargo install cargo-deny --locked\` builds it (some minutes), then start again" >&2
    exit 1
fi

cargo deny --locked --offline check licenses bans sources

# The database of known holes (RustSec) is fetched with git. Without a network the last copy serves, if there is one.
if cargo deny fetch db >/dev/null 2>&1; then
    cargo deny --locked check advisories
elif compgen -G "${CARGO_HOME:-$HOME/.cargo}/advisory-dbs/*/crates" >/dev/null; then
    echo "deny: the database of known holes could not be fetched: the last copy is looked at, which may be old" >&2
    cargo deny --locked --offline check advisories
else
    echo "deny: the database of known holes could not be fetched, and there is no copy of it: known holes were NOT looked for;" >&2
    echo "deny: run this again where the host of RustSec's database can be reached" >&2
fi
