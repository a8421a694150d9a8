"""Writes what a plan says to the terminal, in raw mode so that the terminal
changes nothing: JSON on the first argument's path, [[hex bytes, pause in
milliseconds], ...]."""
import json
import os
import sys
import time
import tty

with open(sys.argv[1]) as file:
    plan = json.load(file)
tty.setraw(1)
for text, pause in plan:
    data = bytes.fromhex(text)
    while data:
        data = data[os.write(1, data):]
    time.sleep(pause / 1000)
