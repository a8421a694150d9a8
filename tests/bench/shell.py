"""What `hrec shell` costs behind the real sshd: `ssh host true`, a file of 1 GB
by sftp and scp, and many logins at once; each beside the same by a user who has
bash in passwd(5). As root: the host has its own users, /etc and processes."""
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
SCRIPT = os.path.join(os.path.dirname(HERE), "shell", "bastion.sh")
WITH, WITHOUT = "alice", "carol"


class Host:
    """Of tests/shell/bastion.sh; ends with its processes."""

    def __init__(self, hrec, place, collector=False):
        self.base = tempfile.mkdtemp(prefix="hrec-bench-", dir=place)
        at = self.base
        while at != "/":  # its people must get there
            os.chmod(at, os.stat(at).st_mode | 0o011)
            at = os.path.dirname(at)
        os.chmod(self.base, 0o755)
        work = os.path.join(self.base, "work")
        os.mkdir(work)
        for key in ("host_key", "user_key"):
            subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", f"{work}/{key}"], check=True)
        config = os.path.join(self.base, "config")
        env = {"PATH": os.environ["PATH"], "HOME": self.base, "XDG_CONFIG_HOME": config}
        subprocess.run([hrec, "keygen"], env=env, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        with open(f"{config}/hrec/identity.txt") as file:
            recipient = next(line.split(": ")[1].strip() for line in file if line.startswith("# public key"))
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        self.log = open(f"{self.base}/log", "w+")
        namespaces = ["unshare", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc"]
        self.process = subprocess.Popen(
            [*namespaces, SCRIPT, self.base, hrec, str(port), recipient, "", "collector" if collector else ""],
            stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log,
        )
        self.options = [
            "-o", f"Port={port}", "-o", f"IdentityFile={work}/user_key", "-o", "IdentitiesOnly=yes", "-o", "BatchMode=yes",
            "-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null", "-o", "LogLevel=ERROR", "-F", "none",
        ]
        until = time.time() + 30
        while "Server listening" not in open(f"{self.base}/log").read():
            if self.process.poll() is not None or time.time() > until:
                raise RuntimeError(open(f"{self.base}/log").read()[-500:])
            time.sleep(0.05)

    def ssh(self, user, command):
        return ["ssh", *self.options, f"{user}@127.0.0.1", command]

    def close(self):
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()
        shutil.rmtree(self.base, ignore_errors=True)


def timed(argv, data=None):
    start = time.perf_counter()
    subprocess.run(argv, input=data, check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - start


def median(values):
    return sorted(values)[len(values) // 2]


def starts(host, rounds):
    taken = {WITH: [], WITHOUT: []}
    for turn in range(rounds + 2):
        for user in (WITH, WITHOUT) if turn % 2 else (WITHOUT, WITH):
            seconds = timed(host.ssh(user, "true"))
            if turn >= 2:
                taken[user].append(seconds * 1000)
    with_, without = median(taken[WITH]), median(taken[WITHOUT])
    return {"what": "ssh host true, ms", "with": with_, "without": without, "added": with_ - without, "rounds": rounds}


def copies(host, size, rounds, line=None):
    """Up and down, by both protocols. The file is in memory on both sides, so
    that no disk is measured. Client and server share the processors, which
    nothing but the cipher keeps from being idle: what hrec computes is missing
    there. `line` is how fast they are let be, in Gbit/s, as over a network."""
    memory = tempfile.mkdtemp(prefix="hrec-bench-", dir="/dev/shm")
    samples = []
    try:
        os.chmod(memory, 0o777)
        data = os.path.join(memory, "data")
        with open("/dev/urandom", "rb") as noise, open(data, "wb") as file:
            block = noise.read(1 << 20)
            for _ in range(size >> 20):
                file.write(block)
        for name, flags in (("sftp", ["-s"]), ("scp", ["-O"])):
            flags = flags + ["-l", str(line * 1_000_000)] if line else flags
            for way in ("up", "down"):
                taken = {WITH: [], WITHOUT: []}
                for turn in range(rounds):
                    for user in (WITH, WITHOUT) if turn % 2 else (WITHOUT, WITH):
                        there = f"{user}@127.0.0.1:{memory}/{'copy-' + user if way == 'up' else 'data'}"
                        here = data if way == "up" else f"{memory}/copy-{user}"
                        pair = [here, there] if way == "up" else [there, here]
                        taken[user].append(timed(["scp", "-q", *flags, *host.options, *pair]))
                        os.unlink(f"{memory}/copy-{user}")
                with_, without = median(taken[WITH]), median(taken[WITHOUT])
                samples.append({
                    "what": f"{name} {way}" + (f" of {line} Gbit/s" if line else "") + ", MB/s", "with": size / 1e6 / with_, "without": size / 1e6 / without,
                    "ratio": without / with_, "rounds": rounds,
                })
    finally:
        shutil.rmtree(memory, ignore_errors=True)
    return samples


def crowd(host, count):
    def all_at_once(user):
        start = time.perf_counter()
        running = [subprocess.Popen(host.ssh(user, "true"), stdin=subprocess.DEVNULL) for _ in range(count)]
        failed = sum(process.wait() != 0 for process in running)
        return time.perf_counter() - start, failed

    without, failed_without = all_at_once(WITHOUT)
    with_, failed = all_at_once(WITH)
    return {
        "what": f"{count} logins at once, s", "with": with_, "without": without, "failed": failed,
        "failed_without": failed_without,
    }


def measure(hrec, place, size, rounds, count):
    host = Host(hrec, place)
    try:
        return [starts(host, rounds * 10), *copies(host, size, rounds), *copies(host, size // 4, rounds, 1), crowd(host, count)]
    finally:
        host.close()


if __name__ == "__main__":
    import sys

    hrec, *rest = sys.argv[1:]
    size, rounds, count = (int(word) for word in rest or ("1000000000", "3", "200"))
    for sample in measure(hrec, "/tmp", size, rounds, count):
        print(sample)
