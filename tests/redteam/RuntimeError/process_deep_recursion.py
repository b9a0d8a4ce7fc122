# ATTACK [process]: recurses without end, past the interpreter's limit, until the stack overflows
# STOPPED BY: the kernel that crashes is its own
import sys

sys.setrecursionlimit(2**31 - 1)


class Deep:
    def __getattr__(self, name):
        return [*map(self.__getattr__, [name])]


def your_select_indices(targets, losses):
    return Deep().deeper
