"""Limits of concurrency keys: what the server says of them, and the calls."""

from opspawn.client.call import Call, Json, forget, get, given, put, segment
from opspawn.client.reading import page_of
from opspawn.client.views import Page, View


class StartRate(View):
    """A bucket of `count` starts that fills in `per_s` seconds."""

    count: int
    per_s: float


class Limit(View):
    """How many tasks of one concurrency key run at once, and how many may start in a while."""

    key: str
    concurrency: int
    rate: StartRate | None = None


def put_limit(key: str, concurrency: int | None, rate: tuple[int, float] | None) -> Call[Limit]:
    wanted = None if rate is None else {"count": rate[0], "per_s": rate[1]}
    return put(
        _path(key), Limit.model_validate, given({"concurrency": concurrency, "rate": wanted})
    )


def limit(key: str) -> Call[Limit]:
    return get(_path(key), Limit.model_validate)


def limits(where: Json) -> Call[Page[Limit]]:
    return get("/limits", page_of("limits", Limit), **where)


def remove(key: str) -> Call[None]:
    return forget(_path(key))


def _path(key: str) -> str:
    return f"/limits/{segment(key)}"
