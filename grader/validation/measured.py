"""What the references reached on the data of a run, from the measurements that are kept beside them."""

from __future__ import annotations

from collections import defaultdict

from grader.validation.bands import ORACLE, REFERENCES_FOLDER
from grader.validation.results import ResultsFile


def measured_scores(data_sha256: str, template_sha256: str) -> dict[str, list[float]]:
    """Return the mean BAC on ``test_a`` of every reference's trainings on this data, by the reference's name.

    It is empty where nothing was measured on this data with these locked cells, or no references are here.

    Raises:
        InfrastructureError: a file of measurements is damaged.
    """
    scores: dict[str, list[float]] = defaultdict(list)
    for path in sorted((REFERENCES_FOLDER / "results").glob("*.json")):
        for found in ResultsFile(path).measurements:
            made = found.conditions
            if (made.data_sha256, made.template_sha256) == (data_sha256, template_sha256) and made.reference != ORACLE:
                scores[made.reference].append(found.test_a)
    return dict(scores)
