# ATTACK [channel]: announces selections of four billion indices, so that the grader makes room for them
# STOPPED BY: counts are checked before anything is read
import socket
import struct

HEADER = struct.Struct("<4sIIq")
connection = socket.socket(socket.AF_UNIX)
connection.connect("gateway/socket")
stream = connection.makefile("rb")
stream.read(HEADER.size)


connection.sendall(HEADER.pack(b"PICK", 2**32 - 1, 2**32 - 1, 0) + bytes(1 << 16))
stream.read()
