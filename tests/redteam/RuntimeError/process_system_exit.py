# ATTACK [process]: raises SystemExit(0), after which papermill reports success with the last cells unrun
# STOPPED BY: what papermill reports counts for nothing: every batch must be answered
import sys

sys.exit(0)


def your_select_indices(targets, losses):
    return [list(range(len(targets)))] * 2
