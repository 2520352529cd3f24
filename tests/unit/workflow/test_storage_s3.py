"""Shared artefacts travel through a bucket: what was pushed at one site is computed at no other."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from support.stub_runs import Ledger, replace_computations, run
from support.world import ENCODER, World, world
from xstilts.config.encoder_card import ENCODER_FILES

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

__all__ = ["world"]

BUCKET = "xstilts"


@pytest.fixture
def s3() -> Iterator[Any]:
    """A client of an S3 server on this machine, with an empty bucket."""
    boto3 = pytest.importorskip("boto3")
    server = pytest.importorskip("moto.server").ThreadedMotoServer("127.0.0.1", port=0)
    server.start()
    host, port = server.get_host_and_port()
    keys = {"aws_access_key_id": "any", "aws_secret_access_key": "any"}
    client = boto3.client("s3", endpoint_url=f"http://{host}:{port}", region_name="any", **keys)
    client.create_bucket(Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": "any"})
    yield client
    client.close()
    server.stop()


def push(s3: Any, folder: Path) -> None:
    """Copy all files of a folder to the bucket, as ``aws s3 sync`` does."""
    for path in folder.rglob("*"):
        if path.is_file():
            s3.upload_file(str(path), BUCKET, str(path.relative_to(folder)))


def pull(s3: Any, folder: Path) -> None:
    """Copy all files of the bucket to a folder."""
    for found in s3.list_objects_v2(Bucket=BUCKET)["Contents"]:
        path = folder / found["Key"]
        path.parent.mkdir(parents=True, exist_ok=True)
        s3.download_file(BUCKET, found["Key"], str(path))


def test_a_site_that_pulls_checkpoints_trains_nothing(
    s3: Any, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It computes the scores alone, and its table is that of the first site."""
    ledger = Ledger()
    replace_computations(monkeypatch, ledger)
    world.write("encoders", _encoder(world.folder / "weights"))
    sites = [world.folder / name for name in ("here", "there")]
    here, there = (
        world.grid(results=str(site / "results"), resources=str(site / "resources"))
        for site in sites
    )
    run(here, world.folder, ledger)
    push(s3, here.paths.resources)
    pull(s3, there.paths.resources)
    ledger.computed.clear()
    run(there, world.folder, ledger)
    assert {kind for kind, *_ in ledger.computed} == {"score"}
    assert there.paths.table.read_bytes() == here.paths.table.read_bytes()


def _encoder(folder: Path) -> dict[str, Any]:
    """The card of an encoder whose folder exists."""
    folder.mkdir()
    for file in ENCODER_FILES:
        (folder / file).write_text("weights")
    return ENCODER | {"folder": str(folder)}
