"""Reads a run from the database itself: what replay needs of a log never goes through a door."""

from ops_core.errors import StoreUnavailable, TaskNotFound
from ops_core.store import Database, SqlTaskStore, SqlWorkerStore
from opspawn.agents.family import versions_of
from opspawn.database_errors import DATABASE_ERRORS, explain
from opspawn.own_database import NoDatabase, database_url
from opspawn.replay.recording import Recording
from opspawn.settings import Settings

#: The one tenant that there is.
TENANT = "default"


async def recorded(settings: Settings, task_id: str) -> Recording:
    """The run of a task. Raises `TaskNotFound`, `NoDatabase`."""
    try:
        url = database_url(settings)
    except NoDatabase as error:
        raise NoDatabase(f"{error} Or name a file that --save has written.") from None
    database = Database(url, pool_size=2)
    store = SqlTaskStore(database)
    try:
        await store.check()
        task = await store.get(TENANT, task_id)
        log = await store.log(TENANT, task_id)
        versions = [*versions_of(task).values()]
        definitions = await SqlWorkerStore(database).definitions(TENANT, versions)
    except TaskNotFound:
        raise
    except StoreUnavailable as error:
        cause = error.__cause__
        raise NoDatabase(f"DATABASE_URL: {explain(cause, url) if cause else error}") from None
    except DATABASE_ERRORS as error:
        raise NoDatabase(f"DATABASE_URL: {explain(error, url)}") from None
    finally:
        await database.close()
    return Recording.of(task, log, settings, definitions)
