# ATTACK [channel]: answers with the number of another batch, so that answers and batches get out of step
# STOPPED BY: every answer carries the number of its batch
import socket
import struct

HEADER = struct.Struct("<4sIIq")
connection = socket.socket(socket.AF_UNIX)
connection.connect("gateway/socket")
stream = connection.makefile("rb")
stream.read(HEADER.size)


connection.sendall(HEADER.pack(b"PICK", 1, 1, 11) + struct.pack("<ii", 0, 0))
stream.read()
