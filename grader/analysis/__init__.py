"""A run or any data values come in, with the truth; out go figures: how good a selection is, what values are worth.

Its modules:

    oracle              the truth, and the bound that follows from it
    quality             purity and clean recall of a run's selections
    valuation           the metrics of the data valuation papers
    values              reads data values, and the data that they belong to
    metrics             all metrics of one vector of values
    plots               the same as pictures
    analyzing           writes both
    cli                 the command analyze
"""

from lazy_loader import attach_stub

__getattr__, __dir__, __all__ = attach_stub(__name__, __file__)
