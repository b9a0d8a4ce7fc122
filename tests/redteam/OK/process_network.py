# ATTACK [process]: connects to the network, to a virtual machine's host, to services of this machine, to a desktop
# STOPPED BY: a network namespace of its own, with nothing in it but its own loopback, and no sockets of a family that it does not cover
import socket
import subprocess
from pathlib import Path

if [name for _, name in socket.if_nameindex()] != ["lo"]:
    raise RuntimeError("REACHED a network interface")
VSOCK, ALG, BLUETOOTH, TIPC, CAN, RDS, PACKET, QIPCRTR = 40, 38, 31, 30, 29, 21, 17, 42
for family in (VSOCK, ALG, BLUETOOTH, TIPC, CAN, RDS, PACKET, QIPCRTR):
    for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM, socket.SOCK_SEQPACKET, socket.SOCK_RAW):
        try:
            socket.socket(family, kind).close()
        except OSError:
            continue
        raise RuntimeError(f"REACHED a socket of the family {family}")
for line in Path("/proc/net/unix").read_text().splitlines()[1:]:
    name = line.split()[-1]
    if name.startswith("@"):
        raise RuntimeError(f"REACHED the socket {name}")
for address in (("1.1.1.1", 53), ("8.8.8.8", 443), ("169.254.169.254", 80), ("127.0.0.1", 22), ("127.0.0.1", 8888)):
    try:
        socket.create_connection(address, timeout=1).close()
    except OSError:
        continue
    raise RuntimeError(f"REACHED {address}")
if subprocess.run(["getent", "hosts", "example.org"], capture_output=True).stdout:
    raise RuntimeError("REACHED a name server")


def your_select_indices(targets, losses):
    return [list(range(len(targets)))] * 2
