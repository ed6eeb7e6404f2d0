#!/bin/sh
# sbom.sh cpu|cuda FILE: what the image of that flavour holds, as a CycloneDX document.
# The lock without what it holds for the tests: its pins are constraints, as they are for the image.
set -eu
cd "$(dirname "$0")/../.."
. platform/requirements/uv.sh

LOCK=$1 OUTPUT=$2
case $LOCK in
    cpu) OVERRIDE="--override $REQUIREMENTS/overrides.txt" ;;
    cuda) OVERRIDE= ;;
    *) stop "LOCK=$LOCK is not a lock. Use LOCK=cpu or LOCK=cuda." ;;
esac

prepare_uv
[ "$LOCK" = cpu ] || unset UV_FIND_LINKS UV_INDEX
mkdir -p "$(dirname "$OUTPUT")"
pins=$(mktemp)
trap 'rm -f "$pins"' EXIT
# shellcheck disable=SC2086
.uv/bin/uv pip compile pyproject.toml --extra "$LOCK" $OVERRIDE --constraints "$REQUIREMENTS/$LOCK.txt" \
    --output-file "$pins" --quiet --generate-hashes --no-emit-index-url --no-annotate --no-header \
    --python-version 3.11 --python-platform x86_64-manylinux_2_28
.uv/bin/uv tool run --quiet --from cyclonedx-bom==7.5.0 cyclonedx-py requirements "$pins" --pyproject pyproject.toml \
    --output-reproducible --output-format JSON --output-file "$OUTPUT"
echo "$OUTPUT: $(grep -c '"purl"' "$OUTPUT") packages"
