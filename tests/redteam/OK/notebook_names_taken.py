# ATTACK [notebook]: gives the names of the locked cells, and of Python itself, other meanings than they had
# STOPPED BY: the solution cell runs in a module of its own; the locked cells' functions look their names up elsewhere
def nothing(*_, **__):
    raise SystemExit


seed_everything = isolated_random_state = call_select_indices = normalise_selection = final_evaluate = nothing
explain = read_exactly = position_of = at = nothing
torch = np = socket = struct = FRAME_HEADER = len = None
SEED, NUM_THREADS, BATCH_SIZE, NUM_EPOCHS = 7, 64, 1, 0


def your_select_indices(targets, losses):
    return [targets >= 0, targets >= 0]
