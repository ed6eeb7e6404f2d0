#!/bin/sh
# tool.sh PACKAGE==VERSION PROGRAM ARGUMENT...: runs a program of PyPI in an environment of its own, which uv keeps.
set -eu
cd "$(dirname "$0")/../.."
. platform/requirements/uv.sh

package=$1
shift
prepare_uv
exec .uv/bin/uv tool run --quiet --from "$package" "$@"
