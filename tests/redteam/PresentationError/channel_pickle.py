# ATTACK [channel]: sends a pickle that runs a command when it is loaded, and one in NumPy's file format
# STOPPED BY: no pickle is read on the trusted side, and no file format either
import socket
import struct

HEADER = struct.Struct("<4sIIq")
connection = socket.socket(socket.AF_UNIX)
connection.connect("gateway/socket")
stream = connection.makefile("rb")
stream.read(HEADER.size)


import io
import os
import pickle

import numpy as np


class Command:
    def __reduce__(self):
        return os.system, ("echo REACHED > /tmp/redteam-planted-by-pickle",)


packed = io.BytesIO()
np.save(packed, np.array([Command()], dtype=object), allow_pickle=True)
connection.sendall(HEADER.pack(b"PICK", 256, 256, 0) + (pickle.dumps(Command()) + packed.getvalue()).ljust(2048, b"."))
stream.read()
