# ATTACK [channel]: sends all answers before it was asked, then leaves
# STOPPED BY: nothing, as they are answers like any other: they earn what they select
import socket
import struct

HEADER = struct.Struct("<4sIIq")
connection = socket.socket(socket.AF_UNIX)
connection.connect("gateway/socket")
stream = connection.makefile("rb")
stream.read(HEADER.size)


for number in range(12):
    connection.sendall(HEADER.pack(b"PICK", 3, 2, number) + struct.pack("<5i", 0, 1, 1, 2, 3))
while stream.read(1024):
    pass


def your_select_indices(targets, losses):
    raise RuntimeError("never called")
