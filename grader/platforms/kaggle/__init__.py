"""Kaggle: participants hand in index lists, and the metric trains again from them.

Its modules:

    packed       index lists as a line of text, and back within bounds
    recording    the cell that writes submission.csv when a training ends
    metric       the metric's own cell: checks a submission, trains again, scores
    notebooks    the metric and the starter notebook, put together from cells
    metric_data  what the metric trains and scores on, as arrays
    files        Kaggle's metadata files and tables, and what it would refuse
    limits       the words and types of its client
    export       all files of an export
"""
