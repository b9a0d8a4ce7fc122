# ATTACK [channel]: hands the grader hundreds of open files over the socket, to use up its own
# STOPPED BY: the grader receives bytes only; the kernel drops files that come with them
import array
import socket
import struct

HEADER = struct.Struct("<4sIIq")
connection = socket.socket(socket.AF_UNIX)
connection.connect("gateway/socket")
stream = connection.makefile("rb")
stream.read(HEADER.size)


files = array.array("i", [stream.fileno()] * 250)
for _ in range(12):
    _, size, _, number = HEADER.unpack(stream.read(HEADER.size))
    stream.read(16 * size)
    frame = HEADER.pack(b"PICK", 1, 1, number) + struct.pack("<ii", 0, 0)
    connection.sendmsg([frame], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, files)])


def your_select_indices(targets, losses):
    return [list(range(len(targets)))] * 2
