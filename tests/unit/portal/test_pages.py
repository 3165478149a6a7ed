"""What stands in an address is taken for what it is, never for a reason to fail."""

import pytest

from services.portal.pages import page_number


@pytest.mark.parametrize(
    ("text", "page"),
    [("1", 1), ("27", 27), ("999999999", 10_000), ("9" * 30, 1), ("0", 1), ("-2", 1), ("²", 1), ("٣", 1)],
)
def test_page_of_a_table_is_a_plain_number_or_the_first(text: str, page: int) -> None:
    assert page_number(text) == page
