"""The terminal around a measured recorder: a PTY whose other end is read here,
and an account of all that the recorder and its children cost.

It answers the queries that a terminal answers, since some recorders ask and
wait. Linux only."""
import ctypes
import errno
import fcntl
import os
import re
import resource
import select
import shutil
import signal
import struct
import sys
import termios
import threading
import time

ROWS, COLS = 40, 120
PR_SET_CHILD_SUBREAPER = 36

# What a recorder leaves behind becomes a child of ours: reaped and counted.
ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)

QUERY = re.compile(
    rb"\x1b\[0?c|\x1b\[>0?c|\x1b\[>0?q|\x1b\[6n|\x1b\[5n|\x1b\]1([01]);\?(\x07|\x1b\\)|\x1b\]4;(\d+);\?(\x07|\x1b\\)"
)


def answers(output):
    """What an xterm-like terminal says to the queries in this output."""
    said = []
    for match in QUERY.finditer(output):
        query = match[0]
        if query in (b"\x1b[c", b"\x1b[0c"):
            said.append(b"\x1b[?62;22c")
        elif query.startswith(b"\x1b[>") and query.endswith(b"c"):
            said.append(b"\x1b[>41;390;0c")
        elif query.endswith(b"q"):
            said.append(b"\x1bP>|bench(1)\x1b\\")
        elif query == b"\x1b[6n":
            said.append(b"\x1b[1;1R")
        elif query == b"\x1b[5n":
            said.append(b"\x1b[0n")
        elif match[3] is not None:
            said.append(b"\x1b]4;" + match[3] + b";rgb:8080/8080/8080" + match[4])
        else:
            said.append(b"\x1b]1" + match[1] + b";rgb:c0c0/c0c0/c0c0" + match[2])
    return b"".join(said)


def descendants(root=None):
    """The processes below this one."""
    found, todo = [], [root or os.getpid()]
    while todo:
        pid = todo.pop()
        try:
            for task in os.listdir(f"/proc/{pid}/task"):
                with open(f"/proc/{pid}/task/{task}/children") as file:
                    children = [int(child) for child in file.read().split()]
                found += children
                todo += children
        except OSError:
            pass
    return found


def comm(pid):
    try:
        with open(f"/proc/{pid}/comm") as file:
            return file.read().strip()
    except OSError:
        return ""


def kill_descendants(spare=()):
    for pid in descendants():
        if comm(pid) not in spare:
            try:
                os.kill(pid, signal.SIGKILL)
            except OSError:
                pass


class MemorySampler(threading.Thread):
    """The peak resident memory of every descendant. The kernel's own account
    (ru_maxrss) has the image from before exec in it."""

    PROGRAMS = ("cat", "echo", "sleep", "true", "sh", "dash", "head", "tail")  # recorded, not recorders

    def __init__(self, period=0.05):
        super().__init__(daemon=True)
        self.peaks, self.names, self.done, self.period = {}, {}, threading.Event(), period
        self.start()

    def run(self):
        while not self.done.wait(self.period):
            self.look()

    def look(self):
        for pid in descendants():
            try:
                with open(f"/proc/{pid}/status") as file:
                    status = file.read()
            except OSError:
                continue
            peak = re.search(r"VmHWM:\s+(\d+)", status)
            if peak:
                self.peaks[pid] = max(self.peaks.get(pid, 0), int(peak[1]))
                self.names[pid] = status.split("\n", 1)[0][6:].strip()

    def result(self):
        """KiB: of the largest of the recorder's processes, and of all."""
        self.done.set()
        self.join()
        peaks = [peak for pid, peak in self.peaks.items() if self.names[pid] not in self.PROGRAMS]
        return {"rss_max_kb": max(peaks, default=0), "rss_sum_kb": sum(peaks)}


def wake_ups():
    """How often the threads of all descendants have been switched to so far."""
    count = 0
    for pid in descendants():
        try:
            for task in os.listdir(f"/proc/{pid}/task"):
                with open(f"/proc/{pid}/task/{task}/status") as file:
                    count += sum(int(n) for n in re.findall(r"voluntary_ctxt_switches:\s+(\d+)", file.read()))
        except OSError:
            pass
    return count


def machine_cpu():
    """Seconds of CPU the whole machine has spent busy, and what the host stole."""
    ticks = os.sysconf("SC_CLK_TCK")
    with open("/proc/stat") as file:
        times = [int(field) for field in file.readline().split()[1:]]
    return (sum(times[:3]) + sum(times[5:8])) / ticks, times[7] / ticks


def kworker_cpu():
    """Seconds of CPU of the kernel's workers: they carry bytes over PTYs."""
    total = 0
    for pid in filter(str.isdigit, os.listdir("/proc")):
        if comm(pid).startswith("kworker/"):
            try:
                with open(f"/proc/{pid}/schedstat") as file:
                    total += int(file.read().split()[0])
            except OSError:
                pass
    return total / 1e9


class OuterTerminal:
    """One recorder with its child, from its start to the end of all of it."""

    def __init__(self, argv, env, limit=120):
        path = shutil.which(argv[0], path=env.get("PATH"))
        if not path:
            raise FileNotFoundError(argv[0])
        self.master, user_end = os.openpty()
        fcntl.ioctl(self.master, termios.TIOCSWINSZ, struct.pack("HHHH", ROWS, COLS, 0, 0))
        self.before = resource.getrusage(resource.RUSAGE_CHILDREN)
        self.began = time.perf_counter()
        self.pid = os.posix_spawn(
            path, argv, env, setsid=True, setsigmask=[],
            setsigdef=[signal.SIGPIPE, signal.SIGXFSZ, signal.SIGINT],
            file_actions=[(os.POSIX_SPAWN_OPEN, 0, os.ttyname(user_end), os.O_RDWR, 0),
                          (os.POSIX_SPAWN_DUP2, 0, 1), (os.POSIX_SPAWN_DUP2, 0, 2)],
        )
        os.close(user_end)
        self.seen, self.unanswered, self.timed_out = 0, b"", False
        self.limit(limit)

    def limit(self, seconds):
        """Kills everything after so long."""
        if hasattr(self, "timer"):
            self.timer.cancel()
        self.timer = threading.Timer(seconds, self.give_up)
        self.timer.daemon = True
        self.timer.start()

    def give_up(self):
        self.timed_out = True
        kill_descendants()

    def read(self, size=65536):
        """Some output, answered where it asks; nothing at the end."""
        try:
            data = os.read(self.master, size)
        except OSError as error:
            if error.errno == errno.EIO:
                return b""
            raise
        self.seen += len(data)
        if b"\x1b" in data:
            self.unanswered = (self.unanswered + data)[-8192:]
            reply = answers(self.unanswered)
            if reply:
                self.unanswered = b""
                os.write(self.master, reply)
        return data

    def ready(self, wait=0):
        return bool(select.select([self.master], [], [], wait)[0])

    def drain(self, rate=None, keep=None, answered=65536):
        """Reads to the end: the first `answered` bytes with answers, the rest
        as fast as it goes, or at `rate` bytes a second; into `keep`, if given."""
        while self.seen < answered or keep is not None:
            data = self.read()
            if not data:
                return
            if keep is not None:
                keep.append(data)
        buffer = bytearray(1 << 18) if not rate else bytearray(16384)
        due = time.monotonic()
        try:
            while count := os.readv(self.master, [buffer]):
                self.seen += count
                if rate:
                    due += count / rate
                    time.sleep(max(0, due - time.monotonic()))
        except OSError as error:
            if error.errno != errno.EIO:
                raise

    def finish(self):
        """Waits for the recorder and for all it left behind."""
        end_of_output = time.perf_counter()
        _, status, _ = os.wait4(self.pid, 0)
        ended = time.perf_counter()
        strays, give_up = 0, time.monotonic() + 5
        while True:
            try:
                pid, _ = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                break
            if pid:
                strays += 1
            elif time.monotonic() > give_up:
                break
            else:
                time.sleep(0.0005)
        if strays:
            ended = time.perf_counter()
        self.timer.cancel()
        os.close(self.master)
        before, after = self.before, resource.getrusage(resource.RUSAGE_CHILDREN)
        return {
            "wall": max(ended, end_of_output) - self.began,
            "cpu": after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime,
            "user": after.ru_utime - before.ru_utime,
            "system": after.ru_stime - before.ru_stime,
            "switches": after.ru_nvcsw - before.ru_nvcsw,
            "faults": after.ru_minflt - before.ru_minflt,
            "status": os.waitstatus_to_exitcode(status),
            "seen": self.seen,
            "timed_out": self.timed_out,
        }


if sys.platform != "linux":
    raise SystemExit("the benchmark reads /proc: it runs on Linux")
