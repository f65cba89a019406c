"""Every declared op, checked from its declaration."""

from __future__ import annotations

import pytest

from millstream.base.dtypes import resource, variant
from millstream.ops.declaration import Op
from millstream.ops.registry import all_ops
from tests.op_contract import check_op


@pytest.mark.parametrize("name", sorted(n for n, op in all_ops().items() if op.case_list))
def test_op_keeps_its_contract(name: str) -> None:
    check_op(all_ops()[name])


def _holds_plain_numbers(op: Op) -> bool:
    """Lists and handles have tests of their own, beside the code that makes them; a placeholder only has what is fed."""
    if op.name == "Placeholder":
        return False
    elements = [p.element for p in op.inputs] + [r.element for r in op.results]
    return bool(elements) and not any(e in (variant, resource) for e in elements)


def test_every_op_on_numbers_without_effects_has_cases() -> None:
    missing = sorted(
        n for n, op in all_ops().items() if not op.case_list and not op.effects and _holds_plain_numbers(op)
    )
    assert not missing, f"State cases for {', '.join(missing)}."
