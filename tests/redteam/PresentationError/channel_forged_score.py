# ATTACK [channel]: talks to the grader itself and sends a frame that tells the score
# STOPPED BY: there is no frame for a score; an unknown frame is refused
import socket
import struct

HEADER = struct.Struct("<4sIIq")
connection = socket.socket(socket.AF_UNIX)
connection.connect("gateway/socket")
stream = connection.makefile("rb")
stream.read(HEADER.size)


connection.sendall(HEADER.pack(b"DONE", 100, 100, 12) + b'{"verdict": "OK", "points": 100, "bac_mean": 1.0}')
stream.read()
