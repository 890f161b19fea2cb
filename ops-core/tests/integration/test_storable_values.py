"""What is called storable is what JSONB gives back, to the last digit."""

import asyncio
import json
from typing import Any

import asyncpg
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import make_url

from ops_core.log import storable

VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**40), 10**40)
    | st.floats()
    | st.text(st.characters(codec=None), max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.text(max_size=3).filter(lambda key: "\0" not in key), inner, max_size=3
        )
    ),
    max_leaves=12,
)


def test_a_stored_value_comes_back_as_it_went(database_url: str) -> None:
    """A run that goes on with it, and a replay that reads it, see the same."""
    url = make_url(database_url).set(drivername="postgresql").render_as_string(hide_password=False)
    with asyncio.Runner() as runner:
        connection = runner.run(asyncpg.connect(url))

        @given(VALUES)
        @settings(max_examples=300)
        def comes_back(value: Any) -> None:
            kept = storable(value)
            text = runner.run(connection.fetchval("SELECT $1::jsonb::text", json.dumps(kept)))
            assert repr(_ordered(kept)) == repr(_ordered(json.loads(text)))

        comes_back()
        runner.run(connection.close())


def _ordered(value: Any) -> Any:
    """JSONB keeps the keys of an object in an order of its own."""
    if isinstance(value, dict):
        return {key: _ordered(value[key]) for key in sorted(value)}
    return [_ordered(child) for child in value] if isinstance(value, list) else value
