"""decode.py ttyrec|tlog FILE: the recorded output, as bytes on standard
output, of recorders that have no command for it. FILE.zst is read through
zstd, as far as that goes."""
import io
import json
import subprocess
import struct
import sys

kind, path = sys.argv[1:3]
out = sys.stdout.buffer
if path.endswith(".zst"):
    source = io.BytesIO(subprocess.run(["zstd", "-dcq", path], stdout=subprocess.PIPE).stdout)
else:
    source = open(path, "rb")
with source as file:
    if kind == "ttyrec":
        while len(header := file.read(12)) == 12:
            out.write(file.read(struct.unpack("<III", header)[2]))
    else:
        for line in file:
            out.write(json.loads(line).get("out_txt", "").encode())
