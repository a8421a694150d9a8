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
    get: str = "install it"  # what to do when it is not there
    absent: bool = False
    elsewhere: str = None  # a directory in which it leaves files besides {out}

    def missing(self):
        return self.absent or (self.argv[0] != "{child}" and shutil.which(self.argv[0]) is None)


def said(*argv):
    try:
        done = subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=5)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout + done.stderr


def first(commands, sign):
    """The first of these whose version has that sign in it."""
    for command, argument in commands:
        if command and shutil.which(command) and sign in said(command, argument):
            return command
    return None


def recorders(hrec, floor, target, unsynced, ovh=None, sudo_logs=None):
    """All that can be measured, in the order in which the tables have them.
    `unsynced` is the environment in which hrec does not sync to disk, as none
    of the others does; `ovh` is ovh-ttyrec's program, `sudo_logs` where sudo
    leaves its logs."""
    decoder = lambda kind, path="{out}": [sys.executable, os.path.join(HERE, "decode.py"), kind, path]
    # Version 2, which most distributions have, is another program.
    names = (os.environ.get("HREC_ASCIINEMA"), os.path.join(target, "tools", "bin", "asciinema"), "asciinema")
    asciinema = first([(name, "--version") for name in names], "asciinema 3.")
    # It has the name of the older ttyrec.
    names = (ovh, os.environ.get("HREC_OVH_TTYREC"), "ovh-ttyrec", "ttyrec")
    ovh = first([(name, "-V") for name in names], "zstd[")
    classic = first([("ttyrec", "-V"), ("/usr/bin/ttyrec", "-V")], "[-u] [-e command]")
    hrec_argv = [hrec, "rec", "-o", "{out}.cast.zst.age", "--", "{child}"]
    hrec_decode = [hrec, "cat", "--format", "raw", "{out}.cast.zst.age"]
    newest = f'f=$(ls -td {sudo_logs}/*/ | head -n 1)ttyout; gzip -dcq "$f" 2>/dev/null || cat "$f"'
    return [
        Recorder("bare", ["{child}"]),
        Recorder("floor", [floor, "none", "{out}", "{child}"], note="a C relay that records nothing"),
        Recorder("floor-ttyrec", [floor, "ttyrec", "{out}", "{child}"], decoder("ttyrec"), note="and one that writes a ttyrec"),
        Recorder("hrec", hrec_argv, hrec_decode),
        Recorder("hrec-nosync", hrec_argv, hrec_decode, unsynced, "with record.sync = false"),
        Recorder("script", ["script", "-q", "-T", "{out}.timing", "-O", "{out}", "-c", "{cmd}"], ["cat", "{out}"], get="it is of util-linux"),
        Recorder(
            "ttyrec", [classic or "ttyrec", "-e", "{cmd}", "{out}"], decoder("ttyrec"), absent=classic is None,
            get="Debian has it: --install",
        ),
        Recorder("termrec", ["termrec", "-f", "ttyrec", "-e", "{cmd}", "{out}"], decoder("ttyrec"), get="Debian has it: --install"),
        Recorder(
            "asciinema", [asciinema or "asciinema", "rec", "-q", "-c", "{cmd}", "{out}.cast"],
            [asciinema or "asciinema", "convert", "-f", "raw", "{out}.cast", "-"], absent=asciinema is None,
            get="`cargo install --locked asciinema`, version 3, and name it in HREC_ASCIINEMA",
        ),
        Recorder(
            "ovh-ttyrec", [ovh or "ttyrec", "-f", "{out}", "--zstd", "--", "{child}"], decoder("ttyrec", "{out}.zst"),
            note="with zstd", absent=ovh is None,
            get="https://github.com/ovh/ovh-ttyrec, made with libzstd; name its ttyrec with --ovh-ttyrec",
        ),
        Recorder(
            "tlog", ["tlog-rec", "--writer=file", "-o", "{out}", "{child}"], decoder("tlog"),
            {"LANG": "C.UTF-8", "LC_ALL": "C.UTF-8"}, get="Debian has it: --install",
        ),
        Recorder(
            "sudo", ["sudo", "-n", "{child}"], ["sh", "-c", newest], absent=sudo_logs is None or not shutil.which("sudo"),
            get="give sudoers `Defaults log_output, use_pty, iolog_dir=DIR, iolog_file=XXXXXX` and name DIR with --sudo-logs",
            elsewhere=sudo_logs,
        ),
    ]
