# ATTACK [metric]: raises the number of epochs and lowers the bar for full points in every module that has them
# STOPPED BY: the constants that count are those of the grader's process
import builtins
import sys

for module in [*sys.modules.values(), builtins]:
    space = getattr(module, "__dict__", {})
    if "NUM_EPOCHS" in space:
        space["NUM_EPOCHS"] = 600
    if "performance" in space:
        space["performance"] = lambda bac_mean: 100
NUM_EPOCHS = 600
round = lambda value, digits=None: 100  # noqa: A001, E731
builtins.round = round


def your_select_indices(targets, losses):
    return [list(range(len(targets)))] * 2
