# ATTACK [channel]: answers every batch, with two megabytes more than announced behind each answer
# STOPPED BY: what stands where the next frame must begin is no frame
import socket
import struct

HEADER = struct.Struct("<4sIIq")
connection = socket.socket(socket.AF_UNIX)
connection.connect("gateway/socket")
stream = connection.makefile("rb")
stream.read(HEADER.size)


for call in range(12):
    kind, size, _, number = HEADER.unpack(stream.read(HEADER.size))
    stream.read(16 * size)
    connection.sendall(HEADER.pack(b"PICK", 1, 1, number) + struct.pack("<ii", 0, 0) + b"\xff" * (2 << 20))
