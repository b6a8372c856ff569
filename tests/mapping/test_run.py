from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from exchange.mapping.run import Run, partner_namespace
from exchange.model.ids import resource_id
from tests.mapping.support import record_of


@given(namespace=st.text(min_size=1), resource_type=st.text(), key=st.text())
def test_ids_are_those_of_the_model(namespace, resource_type, key):
    run = Run(record_of("delimited", b"{}"), None, partner_namespace(namespace))
    assert run.resource_id(resource_type, key) == resource_id(namespace, resource_type, key)
