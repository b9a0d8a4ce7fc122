# ATTACK [notebook]: deletes its own function and the notebook's serving function, so that nothing can be called
# STOPPED BY: without an answer to every batch there is no score
import builtins


def your_select_indices(targets, losses):
    return [list(range(len(targets)))] * 2


del your_select_indices
builtins.FINAL_EVALUATION_MODE = False
FINAL_EVALUATION_MODE = False
get_ipython().user_ns["train_two_models"] = lambda *_, **__: ([], [])
