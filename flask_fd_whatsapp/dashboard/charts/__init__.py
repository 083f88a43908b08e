"""The data that the macros of ``charts.html`` draw: a function for each chart, with a table."""

from .axes import Chart
from .curve import curve
from .difference import difference, difference_text
from .funnel import funnel
from .histogram import histogram
from .outcomes import LONGEST_BY_DAY, bars_by_day, bars_by_hour, outcomes
from .spark import spark
from .timeline import Step, timeline

__all__ = [
    "LONGEST_BY_DAY",
    "Chart",
    "Step",
    "bars_by_day",
    "bars_by_hour",
    "curve",
    "difference",
    "difference_text",
    "funnel",
    "histogram",
    "outcomes",
    "spark",
    "timeline",
]
