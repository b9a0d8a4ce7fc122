# ATTACK [channel]: sends one byte of an endless answer every second
# STOPPED BY: the participant's clock adds up all waiting, whatever arrives meanwhile
import socket
import struct

HEADER = struct.Struct("<4sIIq")
connection = socket.socket(socket.AF_UNIX)
connection.connect("gateway/socket")
stream = connection.makefile("rb")
stream.read(HEADER.size)


import time

connection.sendall(HEADER.pack(b"PICK", 500, 500, 0))
while True:
    connection.sendall(b"\0")
    time.sleep(1)
