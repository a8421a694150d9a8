"""What is measured: one function for each, that runs one recorder once and
gives one sample. A sample is a dictionary of numbers, kept raw."""
import gc
import os
import re
import shlex
import shutil
import subprocess
import time

from outer_terminal import MemorySampler, OuterTerminal, kill_descendants, kworker_cpu, machine_cpu, wake_ups

# What crash() spares: the recorded program, which a dying recorder takes along
# or does not, as in life.
TICKER = ("sh", "dash", "sleep")


class Bench:
    """The recorders' surroundings: a HOME of their own and a place for files."""

    def __init__(self, scratch, data, echo):
        self.scratch, self.data, self.echo, self.count = scratch, data, echo, 0
        home = os.path.join(scratch, "home")
        os.makedirs(home, exist_ok=True)
        keep = {name: os.environ[name] for name in ("PATH", "LANG") if name in os.environ}
        self.env = dict(
            keep, TERM="xterm-256color", HOME=home, SHELL="/bin/sh",
            XDG_CONFIG_HOME=f"{home}/config", XDG_DATA_HOME=f"{home}/data", XDG_STATE_HOME=f"{home}/state",
        )

    def start(self, recorder, child, limit=120):
        """A recorder with this child, its files in a directory of its own."""
        self.count += 1
        directory = os.path.join(self.scratch, str(self.count))
        os.makedirs(directory)
        tokens = {"cmd": shlex.join(child), "out": f"{directory}/recording"}
        argv = []
        for argument in recorder.argv:
            argv += child if argument == "{child}" else [self.fill(argument, tokens)]
        places = [directory, recorder.elsewhere] if recorder.elsewhere else [directory]
        before = self.bytes_in(places)
        run = OuterTerminal(argv, self.env | recorder.env, limit)
        run.directory, run.tokens = directory, tokens
        run.disk = lambda: self.bytes_in(places) - before
        return run

    @staticmethod
    def bytes_in(places):
        files = [os.path.join(at, name) for place in places for at, _, names in os.walk(place) for name in names]
        return sum(os.path.getsize(file) for file in files)

    @staticmethod
    def fill(text, tokens):
        return re.sub(r"\{(cmd|out)\}", lambda match: tokens[match[1]], text)

    def decode(self, recorder, run):
        """The recorded output, as the recorder's own reader gives it."""
        argv = [self.fill(argument, run.tokens) for argument in recorder.decode]
        return subprocess.run(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL, env=self.env | recorder.env)

    def discard(self, run):
        shutil.rmtree(run.directory, ignore_errors=True)

    def account(self, run, measure):
        """Runs `measure`, and says what else the machine did meanwhile."""
        busy, stolen = machine_cpu()
        kworker, own = kworker_cpu(), os.times()
        sample = measure() or {}
        sample |= run.finish()
        now_busy, now_stolen = machine_cpu()
        now = os.times()
        sample["kworker"] = kworker_cpu() - kworker
        ours = now.user + now.system - own.user - own.system
        stolen = now_stolen - stolen
        sample["foreign"] = now_busy - busy - sample["cpu"] - sample["kworker"] - ours - stolen
        sample["disk"] = run.disk()
        return sample

    def bulk(self, recorder, options):
        """`cat` of a large log, read as fast as it comes."""
        return self.pour(recorder, self.data[options["data"]])

    def slow(self, recorder, options):
        """`cat` of a log before a terminal that takes 4 MB a second."""
        return self.pour(recorder, self.data[options["data"]], rate=options["rate"])

    def pour(self, recorder, data, rate=None):
        # What the one before left to be written is no part of this one.
        os.sync()
        run = self.start(recorder, ["cat", data], limit=240)
        memory = MemorySampler()
        sample = self.account(run, lambda: run.drain(rate=rate))
        sample |= memory.result()
        sample["megabytes_a_second"] = os.path.getsize(data) / sample["wall"] / 1e6
        self.discard(run)
        return sample

    def latency(self, recorder, options):
        """A key in, its echo out, with a pause between keys."""
        run = self.start(recorder, [self.echo])
        said = b""
        while b"<<READY>>" not in said:
            data = run.read()
            if not data:
                raise RuntimeError(f"the child was never ready: {said[-300:]!r}")
            said += data
        time.sleep(0.3)
        while run.ready():
            run.read()
        sample = self.account(run, lambda: self.type_keys(run, options))
        self.discard(run)
        return sample

    pingpong = latency

    @staticmethod
    def type_keys(run, options):
        times, master, warm_up = [], run.master, 20
        pause = options["pause"]
        gc.disable()
        try:
            for turn in range(options["keys"] + warm_up):
                key = b"%c" % (97 + turn % 26)
                sent = time.perf_counter_ns()
                os.write(master, key)
                while key not in os.read(master, 4096):
                    pass
                back = time.perf_counter_ns()
                if turn >= warm_up:
                    times.append(back - sent)
                if pause:
                    time.sleep(pause)
        finally:
            gc.enable()
        os.write(master, b"\x04")
        run.drain()
        return {"echo_ns": times}

    def startup(self, recorder, options):
        """Around a program that does nothing."""
        run = self.start(recorder, ["/bin/true"], limit=30)
        run.drain()
        sample = run.finish()
        self.discard(run)
        return sample

    def idle(self, recorder, options):
        """While nothing happens for a few seconds: how often any thread of the
        recorder's woke up in the midst of it, and what all of it took."""
        run = self.start(recorder, ["sleep", str(options["seconds"])])

        def watch():
            time.sleep(1)
            before = wake_ups()
            time.sleep(options["seconds"] - 1.5)
            woke = wake_ups() - before
            run.drain()
            return {"woke": woke}

        sample = self.account(run, watch)
        self.discard(run)
        return sample

    def verify(self, recorder, options):
        """Whether every byte is seen, and is in the recording."""
        with open(self.data[options["data"]], "rb") as file:
            expected = file.read().replace(b"\n", b"\r\n")
        run, seen = self.start(recorder, ["cat", self.data[options["data"]]]), []
        sample = self.account(run, lambda: run.drain(keep=seen))
        sample["shown_whole"] = expected in b"".join(seen)
        sample["recorded_whole"] = expected in self.decode(recorder, run).stdout if recorder.decode else None
        self.discard(run)
        return sample

    def runaway(self, recorder, options):
        """^C on endless output before a terminal that takes 1 MB a second: how
        long until the end, and how much is still printed."""
        run = self.start(recorder, ["cat", self.data[options["data"]]])
        memory = MemorySampler(0.1)
        end, due = time.monotonic() + options["seconds"], time.monotonic()
        while time.monotonic() < end:
            due += len(run.read(4096)) / 1e6
            time.sleep(max(0, due - time.monotonic()))
        before, pressed = run.seen, time.perf_counter()
        sample = memory.result()
        os.write(run.master, b"\x03")
        run.limit(20)
        run.drain()
        sample |= {"stop": time.perf_counter() - pressed, "printed_after": run.seen - before}
        sample |= run.finish()
        self.discard(run)
        return sample

    def human(self, recorder, options):
        """Somebody types commands into a shell; memory."""
        run = self.start(recorder, ["sh", "-i"], limit=60)
        memory = MemorySampler(0.1)
        line = f"head -c 3000 {self.data[options['data']]} | tail -c 2000\r".encode()
        for _ in range(options["commands"]):
            for key in line:
                os.write(run.master, bytes([key]))
                end = time.monotonic() + options["pause"]
                while (left := end - time.monotonic()) > 0 and run.ready(left):
                    run.read()
        sample = memory.result()
        os.write(run.master, b"exit\r")
        run.drain()
        sample |= run.finish()
        self.discard(run)
        return sample

    def stalled(self, recorder, options):
        """Endless output before a terminal that takes the beginning and then
        nothing for some seconds; memory. ^C ends it."""
        run = self.start(recorder, ["cat", self.data[options["data"]]])
        memory = MemorySampler(0.1)
        while run.seen < 200_000 and run.read():
            pass
        time.sleep(options["seconds"])
        sample = memory.result()
        os.write(run.master, b"\x03")
        run.limit(60)
        run.drain()
        sample |= run.finish()
        self.discard(run)
        return sample

    def crash(self, recorder, options):
        """SIGKILL to the recorder while numbered lines come: how old the oldest
        shown line is that cannot be read any more."""
        if not recorder.decode:
            return None
        run, shown, reads = self.start(recorder, ["sh", "-c", options["script"]], limit=30), [], []
        end = time.monotonic() + options["seconds"]
        while time.monotonic() < end:
            if run.ready(0.05):
                shown.append(run.read())
                reads.append((time.monotonic(), run.seen))
        killed = time.monotonic()
        kill_descendants(spare=TICKER)
        time.sleep(0.2)
        kill_descendants()
        run.drain()
        sample = run.finish()
        decoded = self.decode(recorder, run)
        numbers = lambda data: re.findall(rb"LINE(\d+) ", data)
        shown = b"".join(shown)
        # Numbers, not bytes: what a line looks like differs from reader to reader.
        kept = max(map(int, numbers(decoded.stdout)), default=0)
        last = int(numbers(shown)[-1])
        sample |= {"shown": last, "kept": kept, "unreadable": kept == 0, "lost_seconds": 0.0}
        lost = shown.find(b"LINE%d " % (kept + 1))
        if kept < last and lost >= 0:
            sample["lost_seconds"] = next(killed - at for at, seen in reads if seen > lost)
        self.discard(run)
        return sample

    burst = crash
