"""Who is measured: the bare program, the floor, hrec and the recorders people
use, each as the command that records a child.

Tokens in a command: {child} as a whole argument is replaced by the child's
arguments, {cmd} by the child as one shell word list, {out} by the path of the
recording."""
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass, field

HERE = os.path.dirname(os.path.abspath(__file__))
DEBIAN_PEERS = ("ttyrec", "termrec", "tlog")


@dataclass
class Recorder:
    name: str
    argv: list
    decode: list = None  # writes the recorded output to standard output
    env: dict = field(default_factory=dict)
    note: str = ""

    def missing(self):
        return self.argv[0] not in ("{child}",) and shutil.which(self.argv[0]) is None


def asciinema(target):
    """asciinema 3: what HREC_ASCIINEMA names, what tests/run built, or the one
    in PATH, which in most distributions is version 2, another program."""
    built = os.path.join(target, "tools", "bin", "asciinema")
    for command in (os.environ.get("HREC_ASCIINEMA"), built, "asciinema"):
        if command and shutil.which(command):
            version = subprocess.run([command, "--version"], capture_output=True, text=True).stdout
            if version.startswith("asciinema 3."):
                return command
    return "asciinema-3.2"


def recorders(hrec, floor, target, unsynced):
    """All that can be measured, in the order in which the table has them.
    `unsynced` is the environment in which hrec does not sync to disk, as none
    of the others does."""
    decoder = lambda kind: [sys.executable, os.path.join(HERE, "decode.py"), kind, "{out}"]
    theirs = asciinema(target)
    utf8 = {"LANG": "C.UTF-8", "LC_ALL": "C.UTF-8"}
    return [
        Recorder("bare", ["{child}"]),
        Recorder("floor", [floor, "none", "{out}", "{child}"], note="a C relay that records nothing"),
        Recorder("floor-ttyrec", [floor, "ttyrec", "{out}", "{child}"], decoder("ttyrec"), note="and one that writes a ttyrec"),
        Recorder(
            "hrec", [hrec, "rec", "-o", "{out}.cast.zst.age", "--", "{child}"],
            [hrec, "cat", "--format", "raw", "{out}.cast.zst.age"],
        ),
        Recorder(
            "hrec-nosync", [hrec, "rec", "-o", "{out}.cast.zst.age", "--", "{child}"],
            [hrec, "cat", "--format", "raw", "{out}.cast.zst.age"], unsynced, "with record.sync = false",
        ),
        Recorder("script", ["script", "-q", "-T", "{out}.timing", "-O", "{out}", "-c", "{cmd}"], ["cat", "{out}"]),
        Recorder(
            "asciinema", [theirs, "rec", "-q", "-c", "{cmd}", "{out}.cast"],
            [theirs, "convert", "-f", "raw", "{out}.cast", "-"],
        ),
        Recorder("ttyrec", ["ttyrec", "-e", "{cmd}", "{out}"], decoder("ttyrec")),
        Recorder("termrec", ["termrec", "-f", "ttyrec", "-e", "{cmd}", "{out}"], decoder("ttyrec")),
        Recorder("tlog", ["tlog-rec", "--writer=file", "-o", "{out}", "{child}"], decoder("tlog"), utf8),
        # sudo records only where sudoers says so: log_output, use_pty.
        Recorder("sudo", ["sudo", "-n", "{child}"], note="with sudoers' log_output; measured with --only alone"),
    ]
