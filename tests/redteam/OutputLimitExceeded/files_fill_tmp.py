# ATTACK [files]: fills its folder until nothing more can be written
# STOPPED BY: /tmp is a file system of its own in memory, with a fixed size
with open("/tmp/redteam-planted-huge", "wb") as stream:
    while True:
        stream.write(bytes(1 << 24))


def your_select_indices(targets, losses):
    return [list(range(len(targets)))] * 2
