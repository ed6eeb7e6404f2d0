# Sourced by install.sh and lock.sh: finds Python, makes .uv/ with the pinned uv, and tells uv what pip was told.

REQUIREMENTS=platform/requirements

stop() {
    printf 'error: %s\n' "$*" >&2
    exit 2
}

# The locks are made for Python 3.11; any newer one can still install uv, which fetches 3.11.
find_python() {
    for candidate in ${PYTHON:-python3.11 python3 python3.12 python3.13 python3.14}; do
        if "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
            echo "$candidate"
            return
        fi
    done
    found=$("${PYTHON:-python3}" -V 2>&1) || found=missing
    stop "Python 3.11 or newer is needed, ${PYTHON:-python3} is $found. Install one, or name it: make PYTHON=/path/to/python3.11."
}

make_uv() {
    if [ .uv/bin/uv -nt $REQUIREMENTS/tools.txt ]; then
        return
    fi
    rm -rf .uv
    if ! "$1" -m venv .uv >/dev/null 2>&1; then
        rm -rf .uv
        stop "$1 cannot make a virtual environment: its venv module is missing (Debian, Ubuntu: apt install python3-venv)."
    fi
    if ! .uv/bin/python -m pip install -qq --disable-pip-version-check --require-hashes \
        --only-binary :all: -r $REQUIREMENTS/tools.txt; then
        rm -rf .uv
        stop "pip could not fetch uv (its reason stands above). The install needs a package index: a network, or PIP_INDEX_URL."
    fi
    touch .uv/bin/uv
}

# pip's own answer to "which value holds": the environment first, then its configuration files.
pip_setting() {
    .uv/bin/python -m pip config get ":env:.$1" 2>/dev/null ||
        .uv/bin/python -m pip config get "global.$1" 2>/dev/null || true
}

# uv reads neither PIP_* nor pip.conf. What is already set for uv itself wins.
hand_settings_to_uv() {
    index=$(pip_setting index-url)
    links=$(pip_setting find-links | tr -s ' \n' ',,' | sed 's/^,//; s/,$//')
    certificate=$(pip_setting cert)
    [ -n "${UV_DEFAULT_INDEX:-$index}" ] && export UV_DEFAULT_INDEX="${UV_DEFAULT_INDEX:-$index}"
    [ -n "${UV_FIND_LINKS:-$links}" ] && export UV_FIND_LINKS="${UV_FIND_LINKS:-$links}"
    [ -n "${UV_INDEX:-${PIP_EXTRA_INDEX_URL:-}}" ] && export UV_INDEX="${UV_INDEX:-$PIP_EXTRA_INDEX_URL}"
    [ -n "${SSL_CERT_FILE:-$certificate}" ] && export SSL_CERT_FILE="${SSL_CERT_FILE:-$certificate}"
    # Every pin has its hash, so it does not matter which index answers first.
    export UV_INDEX_STRATEGY=unsafe-best-match UV_SYSTEM_CERTS=1 UV_HTTP_TIMEOUT="${UV_HTTP_TIMEOUT:-180}"
}

prepare_uv() {
    python=$(find_python)
    make_uv "$python"
    hand_settings_to_uv
}
