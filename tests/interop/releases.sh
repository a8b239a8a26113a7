#!/bin/sh
# Shows that GitHub's own client lists, views and downloads a rehearsed release, and verifies its
# attestation, from the GitHub stand-in over TLS; releases.py says what is asked of it.
# Usage: releases.sh BIN, where BIN holds the installed release-tool and its Python.
#
#   gh   from PATH, and each program that GH_BINARIES names (separated by spaces)
#
# Where there is none, our own client alone goes the same way, and gh is named as not tested.
# INTEROP_REQUIRE that holds "gh" makes that a failure.
set -eu
bin=$1
root=$(cd "$(dirname "$0")/../.." && pwd)

# shellcheck disable=SC2086 # split at spaces on purpose
set -- $(command -v gh || true) ${GH_BINARIES:-}
PYTHONPATH=$root "$bin/python" -m tests.interop.releases "$bin/release-tool" "$@"
[ $# -eq 0 ] || exit 0
echo "not tested: gh (none on PATH, and GH_BINARIES names none)"
case " ${INTEROP_REQUIRE:-} " in *" gh "*) exit 1 ;; esac
