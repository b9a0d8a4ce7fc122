# ATTACK [notebook]: hooks IPython's events, error handler and display, and swaps the function before the last cell runs
# STOPPED BY: whichever function answers, its indices are what counts
import sys

shell = get_ipython()
swapped = {}


def swap(*_):
    shell.user_ns["solution"] = lambda targets, losses: [[5, 6], [7]]
    shell.user_ns["performance"] = lambda bac_mean: 100


for event in ("pre_execute", "pre_run_cell", "post_run_cell", "post_execute"):
    shell.events.register(event, swap)
shell.set_custom_exc((BaseException,), lambda *_, **__: None)
sys.displayhook = sys.excepthook = lambda *_: None


def your_select_indices(targets, losses):
    return [list(range(len(targets)))] * 2
