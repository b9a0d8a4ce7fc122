# ATTACK [notebook]: begins with a cell magic, so that everything below is another program's input and runs nowhere
# STOPPED BY: the cell is run as it stands; without the function no batch is answered
%%script true


def your_select_indices(targets, losses):
    return [list(range(len(targets)))] * 2
