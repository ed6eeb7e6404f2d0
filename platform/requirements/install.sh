#!/bin/sh
# install.sh cpu|cuda: make .venv with exactly the packages of that lock, and Tunesmith in editable mode.
set -eu
cd "$(dirname "$0")/../.."
. platform/requirements/uv.sh

LOCK=$1
case $LOCK in
    cpu) GIB=8 ;;
    cuda) GIB=20 ;;
    *) stop "LOCK=$LOCK is not a lock. Use LOCK=cpu or LOCK=cuda." ;;
esac

check_machine() {
    machine="$(uname -s) $(uname -m)"
    [ "$machine" = "Linux x86_64" ] ||
        stop "the pinned packages are for Linux x86_64, this is $machine. Use a Linux container or virtual machine."
    free=$(($(df -Pk . | awk 'NR == 2 {print $4}') / 1048576))
    [ -d .venv ] || [ "$free" -ge "$GIB" ] ||
        stop "$PWD has $free GiB free, the $LOCK packages need $GIB. Free some space, or clone to a larger disk."
}

is_python_311() {
    "$1" -c 'import sys; sys.exit(sys.version_info[:2] != (3, 11))' 2>/dev/null
}

make_venv() {
    if is_python_311 .venv/bin/python; then
        return
    fi
    if is_python_311 "$python"; then wanted=$("$python" -c 'import sys; print(sys.executable)'); else wanted=3.11; fi
    if ! .uv/bin/uv venv --quiet --clear --python "$wanted" .venv; then
        stop "Python 3.11 is neither on this machine nor could uv fetch it. Install Python 3.11, or name it: make PYTHON=/path/to/python3.11."
    fi
}

# The CPU wheel of torch is not on the ordinary index: where no find-links or extra index holds it, uv takes it from
# PyTorch's own. Where one does, it would win over the CUDA wheel of the same version, which is on the ordinary index.
choose_torch() {
    found=$(sed -n '/^torch==/,/# via/p' $REQUIREMENTS/"$LOCK".txt |
        .uv/bin/uv pip install --dry-run --reinstall --no-deps --python .venv -r - 2>&1) || found="none: $found"
    case $LOCK,$found in
        cpu,none*) export UV_TORCH_BACKEND=cpu ;;
        cuda,*+cpu*) unset UV_FIND_LINKS UV_INDEX ;;
    esac
}

# Compiled once, on all cores: where Python may not write what it compiles (a read-only folder, PYTHONDONTWRITEBYTECODE),
# every worker that starts would compile torch and transformers again, ten seconds each time.
install_packages() {
    .uv/bin/uv pip sync --compile-bytecode --python .venv --require-hashes --build-constraints $REQUIREMENTS/tools.txt \
        $REQUIREMENTS/"$LOCK".txt ||
        stop "the $LOCK packages could not be installed (the reason stands above). Run the same command again once it is mended: what was fetched is kept."
    .uv/bin/uv pip install --quiet --python .venv --no-deps --build-constraints $REQUIREMENTS/tools.txt --editable .
}

check_machine
prepare_uv
make_venv
choose_torch
echo "Installing the $LOCK packages into .venv ($(grep -c '^[a-z0-9].*==' $REQUIREMENTS/"$LOCK".txt) packages)."
install_packages
rm -f .venv/.tunesmith-*
touch .venv/.tunesmith-"$LOCK"
