#!/usr/bin/env python3
"""Stands where sftp(1) and scp(1) call ssh: runs the server's side here, and
writes down all that passes, in order.

The tape, $TAPE: for each piece a byte, 0 from the client and 1 from the
server, its length in four bytes, little-endian, and the piece. The command
is in $TAPE.command. $SFTP_SERVER is what the subsystem stands for.
"""

import os
import struct
import subprocess
import sys
import threading

command = os.environ["SFTP_SERVER"] if "-s" in sys.argv else sys.argv[-1]
with open(os.environ["TAPE"] + ".command", "wb") as file:
    file.write(os.fsencode(command))
tape = open(os.environ["TAPE"], "wb")
lock = threading.Lock()
server = subprocess.Popen(
    ["sh", "-c", command], stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0
)


def pass_on(side, source, to):
    try:
        while piece := os.read(source, 1 << 16):
            with lock:
                tape.write(struct.pack("<BI", side, len(piece)) + piece)
            while piece:
                piece = piece[os.write(to, piece) :]
    except OSError:
        pass  # Whoever read it is gone.
    finally:
        os.close(to)


def client():
    pass_on(0, 0, server.stdin.fileno())


threading.Thread(target=client, daemon=True).start()
pass_on(1, server.stdout.fileno(), 1)
status = server.wait()
with lock:
    tape.close()
    os._exit(status)
