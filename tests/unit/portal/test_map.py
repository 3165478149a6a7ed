"""The map: every region in its place, shades by equal steps."""

from services.portal.charts import CLASSES, Scale, region_map, sparkline
from services.portal.territory import MAP_HEIGHT, MAP_WIDTH, outlines, territory


def test_every_region_has_an_outline_inside_the_box() -> None:
    regions = {place.code for place in territory().values() if place.level == "region"}
    assert {outline.code for outline in outlines()} == regions
    for outline in outlines():
        assert 0 <= outline.x <= MAP_WIDTH
        assert 0 <= outline.y <= MAP_HEIGHT


def test_small_regions_lie_on_top_of_large_ones() -> None:
    order = [outline.code for outline in outlines()]
    assert order.index("1726") > order.index("1727")


def test_shades_run_from_the_lowest_to_the_highest_value() -> None:
    scale = Scale.of([0.0, None, 6.0])
    assert scale is not None
    assert [scale.shade(value) for value in (0.0, 0.99, 1.0, 5.9, 6.0)] == [0, 0, 1, 5, CLASSES - 1]
    assert scale.shade(None) is None


def test_equal_values_have_one_middle_shade_and_one_step() -> None:
    scale = Scale.of([3.0, 3.0])
    assert scale is not None
    assert scale.shade(3.0) == CLASSES // 2
    assert len(scale.steps()) == 1


def test_unknown_regions_have_no_shade() -> None:
    assert {region.shade for region in region_map({}, Scale.of([]))} == {None}


def test_sparkline_leaves_gaps_open() -> None:
    assert len(sparkline([1, 2, None, 3, 4])) == 2
    assert sparkline([None, 1, None]) == []
