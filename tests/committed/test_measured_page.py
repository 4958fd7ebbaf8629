"""docs/measured.md, the one table of all results, is the one that the committed results give."""

from benchmarks import summary
from tests.committed import RESULTS, page


def test_the_page_of_measures_is_that_of_the_results():
    assert page("measured.md") == summary.page(RESULTS)
