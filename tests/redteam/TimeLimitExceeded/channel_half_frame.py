# ATTACK [channel]: sends half a frame, then nothing more
# STOPPED BY: the participant's clock runs until a whole answer is there
import socket
import struct

HEADER = struct.Struct("<4sIIq")
connection = socket.socket(socket.AF_UNIX)
connection.connect("gateway/socket")
stream = connection.makefile("rb")
stream.read(HEADER.size)


import time

connection.sendall(HEADER.pack(b"PICK", 100, 100, 0)[:10])
time.sleep(1000)
