# One image for every component of docker-compose.yml: Python, the locked packages with their bytecode, this repository.
# Nothing in it is secret and nothing runs as root.

ARG PYTHON=3.11.14-slim-bookworm

FROM python:${PYTHON} AS packages
RUN python -m venv /opt/venv
ENV PATH=/opt/venv/bin:$PATH PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_COMPILE=1
COPY requirements-build.lock requirements-scale.lock /build/
RUN python -m pip install --require-hashes -r /build/requirements-build.lock \
 && uv pip install --no-cache --require-hashes --compile-bytecode -r /build/requirements-scale.lock
COPY pyproject.toml requirements.in README.md /opt/tracker/
COPY tracker /opt/tracker/tracker
RUN uv pip install --no-cache --no-deps --no-build-isolation --editable /opt/tracker

FROM python:${PYTHON}
# wget: the health checks of compose
RUN apt-get update \
 && apt-get install --yes --no-install-recommends wget \
 && rm -rf /var/lib/apt/lists/* \
 && useradd --uid 50000 --create-home --home-dir /opt/airflow --shell /usr/sbin/nologin airflow \
 && install --directory --owner=airflow --group=airflow /opt/airflow/logs
COPY --from=packages /opt/venv /opt/venv
COPY --from=packages /opt/tracker /opt/tracker
COPY dags /opt/tracker/dags
COPY plugins /opt/tracker/plugins
COPY resources /opt/tracker/resources
COPY site_templates /opt/tracker/site_templates
# A task that finds no bytecode takes two to four times as long, and no process may write it later.
RUN /opt/venv/bin/python -m compileall -q /opt/tracker
ENV PATH=/opt/venv/bin:$PATH AIRFLOW_HOME=/opt/airflow PYTHONUNBUFFERED=1
WORKDIR /opt/tracker
USER airflow
CMD ["tracker", "--help"]
