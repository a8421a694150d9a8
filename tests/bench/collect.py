"""What `hrec collect` costs: durable appends a second beside the disk's own
fdatasync; many sessions at once at the rate of people; and, as root, `ssh host
true` with a collector."""
import json
import os
import pty
import select
import shutil
import signal
import socket
import struct
import subprocess
import tempfile
import threading
import time
import tty

import shell

ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"
# What a collector looks at of a part: the header's lines, and the nonce.
HEAD = b"age-encryption.org/v1\n-> X25519 " + b"A" * 43 + b"\n" + b"A" * 43 + b"\n--- " + b"A" * 43 + b"\n" + bytes(16)
RECORD = struct.pack("<I", 300) + bytes(300)


class Collector:
    """One with a store on the disk that is measured."""

    def __init__(self, hrec, place):
        self.hrec = hrec
        self.base = tempfile.mkdtemp(prefix="hrec-bench-", dir=place)
        self.socket = f"{self.base}/socket"
        self.env = {"PATH": os.environ["PATH"], "HOME": self.base, "TERM": "xterm", "XDG_CONFIG_HOME": f"{self.base}/config"}
        os.makedirs(f"{self.base}/config/hrec")
        with open(f"{self.base}/config/hrec/config.toml", "w") as file:
            file.write(f'[store]\npath = "{self.base}/store"\ncollector = "{self.socket}"\nmin_free = "1MiB"\n[record]\nmode = "strict"\n')
        for words in (["keygen"], ["keygen", "--signing"]):
            subprocess.run([hrec, *words], env=self.env, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self.log = open(f"{self.base}/log", "w+")
        self.process = subprocess.Popen([hrec, "collect"], env=self.env, stderr=self.log)
        until = time.time() + 30
        while not self.answers():
            if time.time() > until:
                raise RuntimeError(open(f"{self.base}/log").read()[-500:])
            time.sleep(0.02)

    def answers(self):
        try:
            self.connect().close()
            return True
        except OSError:
            return False

    def connect(self):
        connection = socket.socket(socket.AF_UNIX)
        connection.connect(self.socket)
        return connection

    def close(self):
        self.process.kill()
        self.process.wait()
        shutil.rmtree(self.base, ignore_errors=True)


def frame(kind, body):
    return struct.pack("<IB", 1 + len(body), kind) + body


def append(file, offset, body):
    return frame(2, struct.pack("<IQ", file, offset) + body)


class Peer:
    """A session that only appends."""

    def __init__(self, collector, number):
        now = time.time()
        stamp = time.strftime("%Y%m%dT%H%M%S", time.gmtime(now)) + ".000Z"
        user = subprocess.run(["id", "-un"], capture_output=True, text=True, check=True).stdout.strip().lower()[:16]
        random = "".join(ALPHABET[(number >> (5 * digit)) & 31] for digit in range(8))
        self.id = f"{stamp}-{user}-db1-{random}"
        manifest = {
            "v": 1, "id": self.id, "state": "live", "writer": "session", "mode": "strict", "input": "none",
            "start": time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(now)) + "Z", "program": "bench",
        }
        self.connection = collector.connect()
        self.bytes = b""
        hello = json.dumps({"v": 1, "as": "session", "id": self.id, "manifest": manifest}).encode()
        self.connection.sendall(frame(1, hello) + append(0, 0, HEAD) + append(1, 0, RECORD) + frame(3, b""))
        self.offset = len(RECORD)
        for _ in range(2):
            kind, body = self.read()
            assert kind == 16, body

    def read(self):
        while True:
            if len(self.bytes) >= 4:
                length = struct.unpack_from("<I", self.bytes)[0]
                if len(self.bytes) >= 4 + length:
                    got, self.bytes = self.bytes[4 : 4 + length], self.bytes[4 + length :]
                    return got[0], got[1:]
            more = self.connection.recv(1 << 16)
            assert more, "the collector has left"
            self.bytes += more

    def send(self):
        self.connection.sendall(append(1, self.offset, RECORD))
        self.offset += len(RECORD)


def fdatasyncs(place, files, seconds):
    """The disk's own: so many files, each appended to and synced by a thread."""
    count = [0] * files
    until = time.time() + seconds

    def work(number, name):
        fd = os.open(name, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        while time.time() < until:
            os.write(fd, RECORD)
            os.fdatasync(fd)
            count[number] += 1
        os.close(fd)

    with tempfile.TemporaryDirectory(dir=place) as base:
        threads = [threading.Thread(target=work, args=(number, f"{base}/{number}")) for number in range(files)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    return sum(count) / seconds


def appends(hrec, place, files, seconds):
    collector = Collector(hrec, place)
    try:
        peers = [Peer(collector, number) for number in range(files)]
        poll = select.epoll()
        for peer in peers:
            poll.register(peer.connection.fileno(), select.EPOLLIN)
            peer.send()
        by_fd = {peer.connection.fileno(): peer for peer in peers}
        done, began = 0, time.time()
        while time.time() < began + seconds:
            for fd, _ in poll.poll(1):
                kind, body = by_fd[fd].read()
                assert kind == 18, body
                done += 1
                by_fd[fd].send()
        return done / (time.time() - began)
    finally:
        collector.close()


def ticks(pid):
    with open(f"/proc/{pid}/stat") as file:
        fields = file.read().rsplit(")", 1)[1].split()
    return int(fields[11]) + int(fields[12])


def own_memory(pid):
    """What a process has to itself, in MiB: not the program's file, which all
    share."""
    kib = 0
    with open(f"/proc/{pid}/smaps_rollup") as file:
        for line in file:
            if line.startswith(("Private_Clean", "Private_Dirty")):
                kib += int(line.split()[1])
    return kib / 1024


def terminal(argv, env):
    pid, fd = pty.fork()
    if pid == 0:
        os.execve(argv[0], argv, env)
    tty.setraw(fd)
    os.set_blocking(fd, True)
    return pid, fd


def echo(fds, count, pause):
    """From a key to what it brings about, in ms; in turns, so that what else
    the machine does meets all alike."""
    taken = [[] for _ in fds]
    for _ in range(count):
        for fd, own in zip(fds, taken):
            start = time.perf_counter()
            os.write(fd, b"k\n")
            seen = b""
            while b"\n" not in seen:
                seen += os.read(fd, 4096)
            own.append((time.perf_counter() - start) * 1000)
            time.sleep(pause)
    return [sorted(own) for own in taken]


def type_and_read(fds):
    """What the people do, in a process of its own."""
    poll = select.epoll()
    for fd in fds:
        poll.register(fd, select.EPOLLIN)
    turn, began = 0, time.time()
    while True:
        due = began + turn * 2.0 / len(fds)
        while time.time() >= due:
            os.write(fds[turn % len(fds)], b"0123456789\n")
            turn += 1
            due = began + turn * 2.0 / len(fds)
        for fd, _ in poll.poll(max(0.0, due - time.time())):
            try:
                os.read(fd, 1 << 16)
            except OSError:
                poll.unregister(fd)


def crowd(hrec, place, count, seconds):
    """So many people, each of whom types a line of ten characters in two
    seconds, which the program answers with 200."""
    collector = Collector(hrec, place)
    children = []
    try:
        program = "stty -echo; while read line; do printf '%0200d\\n' 0; done"
        for _ in range(count):
            children.append(terminal([hrec, "rec", "--", "/bin/sh", "-c", program], collector.env))
        probe = terminal([hrec, "rec", "--", "/bin/sh", "-c", "stty -echo; exec cat"], collector.env)
        bare = terminal(["/bin/sh", "-c", "stty -echo; exec cat"], collector.env)
        children += [probe, bare]
        live = lambda: len(os.listdir(f"{collector.base}/store/collect/live"))
        until = time.time() + 120
        while live() < count + 1 and time.time() < until:
            time.sleep(0.2)
        began_with = live()
        typing = os.fork()
        if typing == 0:
            try:
                type_and_read([fd for _, fd in children[:count]])
            finally:
                os._exit(1)
        time.sleep(3)
        pids = [pid for pid, _ in children[: count + 1]]
        monitors = [child for pid in pids for child in children_of(pid)]
        before = sum(ticks(pid) for pid in [collector.process.pid, *pids, *monitors])
        own_before, start = ticks(collector.process.pid), time.time()
        with_, without = echo([probe[1], bare[1]], int(seconds / 0.04), 0.02)
        spent, hertz = time.time() - start, os.sysconf("SC_CLK_TCK")
        cpu = (sum(ticks(pid) for pid in [collector.process.pid, *pids, *monitors]) - before) / hertz / spent
        own = (ticks(collector.process.pid) - own_before) / hertz / spent
        memory = sum(own_memory(pid) for pid in [*pids, *monitors]) / len(pids)
        collectors = own_memory(collector.process.pid)
        os.kill(typing, signal.SIGKILL)
        os.waitpid(typing, 0)
        p99 = lambda taken: taken[len(taken) * 99 // 100]
        return {
            "sessions": began_with, "cores": cpu, "cores_collector": own, "mib_session": memory,
            "mib_collector": collectors, "key_p50": shell.median(with_), "key_p50_bare": shell.median(without),
            "key_p99": p99(with_), "key_p99_bare": p99(without),
        }
    finally:
        for pid, fd in children:
            os.close(fd)
        for pid, _ in children:
            os.waitpid(pid, 0)
        collector.close()


def children_of(pid):
    """hrec's own: the monitor, which is no program of the person's."""
    with open(f"/proc/{pid}/task/{pid}/children") as file:
        return [int(child) for child in file.read().split()]


def start(hrec, place, rounds):
    host = shell.Host(hrec, place, collector=True)
    try:
        return shell.starts(host, rounds)
    finally:
        host.close()


def measure(hrec, place, sessions, seconds, rounds):
    samples = []
    for files in (1, 16, min(sessions, 128)):
        samples.append({
            "what": f"durable appends a second, {files} sessions", "collector": appends(hrec, place, files, seconds),
            "disk": fdatasyncs(place, files, seconds),
        })
    samples.append({"what": f"{sessions} sessions at once", **crowd(hrec, place, sessions, seconds * 2)})
    samples.append({**start(hrec, place, rounds), "what": "ssh host true with a collector, ms"})
    return samples


if __name__ == "__main__":
    import sys

    hrec, what, *rest = sys.argv[1:]
    if what == "appends":
        for files in (1, 16, 128):
            print(files, appends(hrec, "/var/tmp", files, 5), fdatasyncs("/var/tmp", files, 5))
    elif what == "crowd":
        print(crowd(hrec, "/var/tmp", int(rest[0]), 20))
    else:
        print(start(hrec, "/var/tmp", 30))
