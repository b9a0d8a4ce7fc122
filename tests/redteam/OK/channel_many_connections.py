# ATTACK [channel]: connects many times, answers over the first connection, and says something else over the others
# STOPPED BY: the grader accepts a single connection, then closes its door
import socket
import struct

HEADER = struct.Struct("<4sIIq")
connection = socket.socket(socket.AF_UNIX)
connection.connect("gateway/socket")
stream = connection.makefile("rb")
stream.read(HEADER.size)


import threading


def shout():
    while True:
        try:
            with socket.socket(socket.AF_UNIX) as other:
                other.settimeout(1)
                other.connect("gateway/socket")
                other.sendall(HEADER.pack(b"PICK", 1, 1, 0) + struct.pack("<ii", 127, 127))
                if other.recv(1):
                    print("REACHED a second connection")
        except OSError:
            pass


threading.Thread(target=shout, daemon=True).start()
for _ in range(12):
    _, size, _, number = HEADER.unpack(stream.read(HEADER.size))
    stream.read(16 * size)
    connection.sendall(HEADER.pack(b"PICK", 2, 0, number) + struct.pack("<ii", 0, 1))


def your_select_indices(targets, losses):
    return [list(range(len(targets)))] * 2
