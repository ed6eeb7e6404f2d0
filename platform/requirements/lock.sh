#!/bin/sh
# Write the locks again from pyproject.toml: pins with hashes, no address of a package index.
# Pins that still fit stay as they are; `make lock UPGRADE=1` takes the newest.
set -eu
cd "$(dirname "$0")/../.."
. platform/requirements/uv.sh

lock() {
    output=$1
    shift
    .uv/bin/uv pip compile "$@" --output-file "$REQUIREMENTS/$output" --quiet \
        --generate-hashes --no-emit-index-url --annotation-style line --custom-compile-command "make lock" \
        --python-version 3.11 --python-platform x86_64-manylinux_2_28 ${UPGRADE:+--upgrade}
    echo "$REQUIREMENTS/$output: $(grep -c '^[a-z0-9].*==' "$REQUIREMENTS/$output") packages"
}

prepare_uv
lock tools.txt $REQUIREMENTS/tools.in
lock cpu.txt pyproject.toml --extra cpu --extra dev --override $REQUIREMENTS/overrides.txt \
    ${UV_FIND_LINKS:+--find-links "$UV_FIND_LINKS"}
# A folder or index of CPU wheels would win here: 2.13.0+cpu is newer than 2.13.0. CUDA torch is the ordinary index's.
unset UV_FIND_LINKS UV_INDEX
lock cuda.txt pyproject.toml --extra cuda --extra dev
