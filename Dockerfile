# weatherd in a container: docs/container.md tells how to run it.
#
# The base is pinned by its tag, which gets Debian's security updates; pin it by digest where images must be reproducible.
ARG BASE=python:3.11-slim-bookworm

FROM ${BASE} AS build
WORKDIR /src

# armv7 has no wheels of gpiod, msgspec and sysv-ipc; everywhere else there is nothing to compile.
# hadolint ignore=DL3008
RUN case "$(dpkg --print-architecture)" in amd64 | arm64) exit ;; esac; \
    apt-get update && apt-get install --yes --no-install-recommends gcc libc6-dev

# pip's own settings, where packages come from elsewhere than PyPI.
ARG PIP_INDEX_URL
ARG PIP_NO_INDEX
ARG PIP_FIND_LINKS

# pip stays outside of what it fills; its setuptools, which comes with the base, builds weatherd itself.
COPY requirements.lock ./
RUN python3 -m venv --without-pip /opt/weatherd && \
    python3 -m pip --python /opt/weatherd/bin/python3 --no-cache-dir install --no-compile --require-hashes --no-deps -r requirements.lock
COPY setup.cfg pyproject.toml README.md LICENSE ./
COPY weatherd weatherd
RUN python3 -m pip --no-cache-dir wheel --no-deps --no-build-isolation --wheel-dir /tmp . && \
    python3 -m pip --python /opt/weatherd/bin/python3 install --no-cache-dir --no-compile --no-deps /tmp/weatherd-*.whl

# A read-only root takes no compiled modules later, and each health check would compile all that it imports.
RUN /opt/weatherd/bin/python3 -m compileall -q --invalidation-mode unchecked-hash /opt/weatherd/lib

FROM ${BASE}
LABEL org.opencontainers.image.title="weatherd" \
      org.opencontainers.image.description="A weather station daemon that never loses an observation" \
      org.opencontainers.image.licenses="Apache-2.0"

RUN groupadd --gid 8600 weatherd && \
    useradd --uid 8600 --gid 8600 --no-log-init --no-create-home --home-dir /var/lib/weatherd --shell /usr/sbin/nologin weatherd && \
    install --directory --owner 8600 --group 8600 --mode 0750 /var/lib/weatherd /run/weatherd
COPY --from=build /opt/weatherd /opt/weatherd
# The same for Python's own modules, which the official base brings as source: a short demo imports those that matter.
RUN /opt/weatherd/bin/weatherd demo --for 1

# $container says what this is: memory ends with it, and what is young has to lie beside the journal.
ENV PATH=/opt/weatherd/bin:$PATH container=docker
# By number, so that Kubernetes can see that it is not root.
USER 8600:8600
VOLUME /var/lib/weatherd
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=60s --timeout=10s --start-period=30s --retries=2 CMD ["weatherd", "status"]
ENTRYPOINT ["weatherd"]
CMD ["run"]
