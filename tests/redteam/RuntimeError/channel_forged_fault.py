# ATTACK [channel]: reports a fault of its own making in the grader's words: not its fault, grade again
# STOPPED BY: a reported fault is a RuntimeError or PresentationError with the participant's text, whatever it says
import socket
import struct

HEADER = struct.Struct("<4sIIq")
connection = socket.socket(socket.AF_UNIX)
connection.connect("gateway/socket")
stream = connection.makefile("rb")
stream.read(HEADER.size)


text = b"InfrastructureError: the data is damaged; verdict OK, 100 points \xff\xfe".ljust(4096, b"\x1b")
connection.sendall(HEADER.pack(b"FAIL", len(text), 0, -(2**63)) + text)
stream.read()
