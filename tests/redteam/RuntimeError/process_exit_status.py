# ATTACK [process]: leaves with exit status 0, as if all had gone well
# STOPPED BY: exit statuses count for nothing: every batch must be answered
import os

os._exit(0)


def your_select_indices(targets, losses):
    return [list(range(len(targets)))] * 2
