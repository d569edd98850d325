# Bulwark in a container: the locked dependencies, the sources, no compiler, no root.
# Settings, data and logs come from the host: see docker-compose.yml and docs/operating.md.
ARG PYTHON=3.11

FROM python:${PYTHON}-slim AS build
WORKDIR /app
COPY requirements.txt .
RUN python -m venv .venv \
    && .venv/bin/python -m pip install --no-cache-dir --no-deps --require-hashes -r requirements.txt \
    && .venv/bin/python -m pip uninstall --yes pip

FROM python:${PYTHON}-slim
ENV PATH=/app/.venv/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    BULWARK_CONTAINER=1
WORKDIR /app
RUN useradd --uid 1000 --no-create-home --shell /usr/sbin/nologin bulwark \
    && install -d -o bulwark -g bulwark data logs backups
COPY --from=build /app/.venv .venv
COPY . .
USER bulwark
STOPSIGNAL SIGTERM
# The bot's own verdict, not only that a process is there.
HEALTHCHECK --interval=30s --timeout=10s --start-period=60s --retries=3 \
    CMD ["python", "run.py", "healthcheck"]
ENTRYPOINT ["python", "run.py"]
