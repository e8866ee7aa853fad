"""Whether the attention of a trace can be trusted (docs/decisions/0029)."""

from analysis.trust.at_random import check_against_random
from analysis.trust.checks import check_trace
from analysis.trust.eager import check_with_eager
from analysis.trust.finding import Finding
from analysis.trust.norms import check_norms

__all__ = ["Finding", "check_against_random", "check_norms", "check_trace", "check_with_eager"]
