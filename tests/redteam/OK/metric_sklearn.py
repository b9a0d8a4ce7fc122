# ATTACK [metric]: replaces scikit-learn's balanced accuracy by a function that says 1
# STOPPED BY: scores are computed in the grader's process, where no byte of a submission runs
# WORKS AGAINST: one process
import sys

import sklearn.metrics


def perfect(*args, **kwargs):
    return 1.0


for module in list(sys.modules.values()):
    if getattr(module, "balanced_accuracy_score", None) is sklearn.metrics.balanced_accuracy_score:
        module.balanced_accuracy_score = perfect
sklearn.metrics.balanced_accuracy_score = perfect


def your_select_indices(targets, losses):
    return [list(range(len(targets)))] * 2
