"""How much of a batch a task takes."""

from ops_core.store.submit_together import weight
from ops_core.task import JsonObject, NewTask


def test_a_task_weighs_what_its_client_wrote() -> None:
    """Texts wherever they stand, keys and labels too; numbers a little."""
    inside: JsonObject = {"key": ["x" * 1000, {"deep": "y" * 1000}], "n": [1, None, 2.5]}
    new = NewTask(
        task_id="task_1",
        tenant_id="default",
        task_type="echo",
        input_data=inside,
        labels={"team": "z" * 100},
    )
    texts = 1000 + 1000 + 100 + len("keydeepnteam")
    assert texts + 3 * 8 == weight(new)
