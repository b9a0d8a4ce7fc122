# ATTACK [files]: fills shared memory, which on many machines may be half of all memory
# STOPPED BY: /dev/shm is a file system of its own, with a fixed size
with open("/dev/shm/redteam-planted-huge", "wb") as stream:
    while True:
        stream.write(bytes(1 << 22))


def your_select_indices(targets, losses):
    return [list(range(len(targets)))] * 2
