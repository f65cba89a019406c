"""Every declared op, checked from its declaration."""

from __future__ import annotations

import pytest
from tests.op_contract import check_op

from millstream.ops.registry import all_ops


@pytest.mark.parametrize("name", sorted(n for n, op in all_ops().items() if op.case_list))
def test_op_keeps_its_contract(name: str) -> None:
    check_op(all_ops()[name])


def test_every_op_without_effects_has_cases() -> None:
    missing = sorted(n for n, op in all_ops().items() if not op.case_list and not op.effects)
    assert not missing, f"State cases for {', '.join(missing)}."
