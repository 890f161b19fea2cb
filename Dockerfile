# The image of every Opspawn process. Built from requirements.lock: versions and hashes are those of the tests.
#   docker build -t opspawn .
#   docker build --build-arg EXTRAS= -t opspawn .     without the built-in toy model (about 130 MB less)

FROM python:3.13.7-slim-bookworm AS build
ARG EXTRAS=[local]
WORKDIR /src
COPY requirements.lock ./
# The lock's own uv, its hash verified, builds the rest.
RUN sed -n '/^uv==/,/^[a-z]/p' requirements.lock | grep -E '^(uv==|    --hash)' | sed '$s/ \\$//' > /tmp/uv.lock \
 && pip install --no-cache-dir --root-user-action=ignore --no-deps --require-hashes -r /tmp/uv.lock
COPY pyproject.toml README.md LICENSE ./
COPY agentkit agentkit
COPY ops-core ops-core
COPY alembic alembic
COPY src src
RUN uv venv --python /usr/local/bin/python3 /opt/opspawn \
 && uv pip install --python /opt/opspawn --no-cache --compile-bytecode \
    -c requirements.lock -b requirements.lock ".${EXTRAS}" ./agentkit ./ops-core

FROM python:3.13.7-slim-bookworm
# libgomp1: the built-in model's runtime needs it and the slim image lacks it.
RUN apt-get update && apt-get install -y --no-install-recommends libgomp1 && rm -rf /var/lib/apt/lists/* \
 && useradd --system --uid 10001 --no-create-home --shell /usr/sbin/nologin opspawn
COPY --from=build /opt/opspawn /opt/opspawn
COPY docker/health.py /opt/opspawn/health.py
ENV PATH=/opt/opspawn/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1
WORKDIR /tmp
USER 10001
CMD ["opspawn", "--help"]
