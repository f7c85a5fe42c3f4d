"""The tables in uffsurgeon's README are those of the code and of the recorded run."""
import conversions_table


def test_the_tables_are_fresh():
    assert conversions_table.stored() == conversions_table.text(), "python tests/conversions_table.py"


def test_no_operation_is_on_two_roads():
    rows = conversions_table.rows()
    names = [name for _, operations, _, _ in rows for name in operations]
    assert len(names) == len(set(names)) and all(operations for _, operations, _, _ in rows)
