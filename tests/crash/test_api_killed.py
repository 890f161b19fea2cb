"""An API process that dies between a COMMIT and its answer has promised nothing, and stored a task."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from evidence import read
from standing import standing

from opspawn.client import OpspawnClient, Patience
from support.model_server import ModelServer
from support.opspawn_processes import until
from support.swallowing_proxy import SwallowingProxy

pytestmark = pytest.mark.e2e


def test_a_submit_whose_server_dies_after_its_commit_is_one_task(
    tmp_path: Path, database_url: str, rabbitmq_url: str
) -> None:
    """The client comes again with its key, finds the successor, and gets the task that is stored."""
    patience = Patience(attempts=30, longest_rest_s=0.5)
    with (
        ModelServer().running() as model,
        SwallowingProxy(database_url) as proxy,
        standing(tmp_path, database_url, rabbitmq_url, model) as site,
        ThreadPoolExecutor(1) as pool,
    ):
        api = site.start_one("api", DATABASE_URL=proxy.url)
        proxy.cuts = False  # the server never hears that the task is on disk
        proxy.swallow(r"INSERT INTO task\b")
        client = OpspawnClient(str(site.rest.http.base_url), "key", patience=patience)
        with client:
            asked = pool.submit(client.run, "g")
            until(lambda: proxy.swallowed == 1)
            api.kill()
            api.wait()
            site.start_one("api")
            task = asked.result(30)
    tasks, _ = read(database_url)
    assert [task.task_id] == [stored["task_id"] for stored in tasks]
