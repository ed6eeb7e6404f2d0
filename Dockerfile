# One image, two targets: cpu (control plane, and clusters without GPUs) and cuda (clusters with NVIDIA GPUs).
#
#   docker build --target cpu  --tag REGISTRY/tunesmith:0.1.0-cpu  .
#   docker build --target cuda --tag REGISTRY/tunesmith:0.1.0-cuda .
#
# BASE_IMAGE is any Debian or Ubuntu with Python 3.11 as python3. CUDA comes with the wheels; the driver with the node.
# Behind a mirror: --build-arg UV_DEFAULT_INDEX=... --build-arg PIP_INDEX_URL=..., and --build-arg UV_TORCH_BACKEND= where it
# has the CPU build of torch too, which otherwise comes from PyTorch's own index.
ARG BASE_IMAGE=docker.io/library/python:3.11-slim-bookworm

# uv and the build back end, by their hashes. Neither is in the images.
FROM ${BASE_IMAGE} AS tools
ARG PIP_INDEX_URL
COPY platform/requirements/tools.txt /opt/
RUN python3 -m venv /opt/uv && /opt/uv/bin/python -m pip install --quiet --no-cache-dir --require-hashes \
        --only-binary :all: --requirement /opt/tools.txt

FROM tools AS wheel
WORKDIR /build
COPY pyproject.toml README.md CHANGELOG.md LICENSE ./
COPY charts/tunesmith charts/tunesmith
COPY platform/tunesmith platform/tunesmith
RUN PATH=/opt/uv/bin:$PATH uv build --wheel --no-build-isolation --python /opt/uv/bin/python --out-dir /wheels

# What both have: a user that is not root, a home that the chart makes writable, and what KubeRay asks of an image (bash,
# `python` and `ray` on PATH, wget for its probes).
FROM ${BASE_IMAGE} AS base
RUN apt-get update && apt-get install --yes --no-install-recommends bash ca-certificates libnuma1 wget \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --uid 10001 --user-group --create-home --home-dir /home/tunesmith --shell /bin/bash tunesmith
ENV HOME=/home/tunesmith \
    PATH=/opt/venv/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1
WORKDIR /home/tunesmith
CMD ["tunesmith", "--help"]

# Three layers, from the largest and steadiest to the one that every release changes: the engine with torch, the other
# packages, Tunesmith.
FROM base AS cpu
ARG UV_DEFAULT_INDEX
ARG UV_TORCH_BACKEND=cpu
RUN --mount=type=bind,from=tools,source=/opt/uv,target=/opt/uv \
    --mount=type=bind,source=platform/requirements,target=/source/platform/requirements \
    /opt/uv/bin/uv venv --quiet --python "$(command -v python3)" /opt/venv \
    && /source/platform/requirements/image.sh cpu engine
RUN --mount=type=bind,from=tools,source=/opt/uv,target=/opt/uv \
    --mount=type=bind,source=platform/requirements,target=/source/platform/requirements \
    --mount=type=bind,source=pyproject.toml,target=/source/pyproject.toml \
    /source/platform/requirements/image.sh cpu packages
RUN --mount=type=bind,from=tools,source=/opt/uv,target=/opt/uv \
    --mount=type=bind,source=platform/requirements,target=/source/platform/requirements \
    --mount=type=bind,from=wheel,source=/wheels,target=/wheels \
    /source/platform/requirements/image.sh cpu tunesmith
USER 10001:10001

FROM base AS cuda
# Triton compiles a small launcher for each kernel when it first runs.
RUN apt-get update && apt-get install --yes --no-install-recommends gcc libc6-dev \
    && rm -rf /var/lib/apt/lists/*
ARG UV_DEFAULT_INDEX
RUN --mount=type=bind,from=tools,source=/opt/uv,target=/opt/uv \
    --mount=type=bind,source=platform/requirements,target=/source/platform/requirements \
    /opt/uv/bin/uv venv --quiet --python "$(command -v python3)" /opt/venv \
    && /source/platform/requirements/image.sh cuda engine
RUN --mount=type=bind,from=tools,source=/opt/uv,target=/opt/uv \
    --mount=type=bind,source=platform/requirements,target=/source/platform/requirements \
    --mount=type=bind,source=pyproject.toml,target=/source/pyproject.toml \
    /source/platform/requirements/image.sh cuda packages
RUN --mount=type=bind,from=tools,source=/opt/uv,target=/opt/uv \
    --mount=type=bind,source=platform/requirements,target=/source/platform/requirements \
    --mount=type=bind,from=wheel,source=/wheels,target=/wheels \
    /source/platform/requirements/image.sh cuda tunesmith
USER 10001:10001
