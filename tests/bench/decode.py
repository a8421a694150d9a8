"""decode.py ttyrec|tlog FILE: the recorded output, as bytes on standard
output, of recorders that have no command for it."""
import json
import struct
import sys

kind, path = sys.argv[1:3]
out = sys.stdout.buffer
with open(path, "rb") as file:
    if kind == "ttyrec":
        while len(header := file.read(12)) == 12:
            out.write(file.read(struct.unpack("<III", header)[2]))
    else:
        for line in file:
            out.write(json.loads(line).get("out_txt", "").encode())
