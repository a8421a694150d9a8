"""What is measured of hrec alone, since no peer can or does it: the size of
finished files, opening, seeking and searching, the player, what a recipient
costs, what proof costs, and what many kills do."""
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time

SEEKABLE, SKIPPABLE = 0x8F92EAB1, 0x184D2A50
PARTS = {0x184D2A50: "padding", 0x184D2A51: "keyframes", 0x184D2A52: "index", 0x184D2A5E: "table"}
# A recording of a person is one that lasts, and no flood: what is over at once
# was printed by a program, and is not what the figure is about.
SECONDS, BYTES_A_SECOND = 2, 200_000


def recordings(directory, scratch):
    """The asciicasts in a directory, or in the corpus.tar.zst there."""
    archive = os.path.join(directory, "corpus.tar.zst")
    if os.path.exists(archive):
        directory = os.path.join(scratch, "corpus")
        os.makedirs(directory)
        subprocess.run(["tar", "-x", "--zstd", "-f", archive, "-C", directory], check=True)
    found = []
    for at, _, names in os.walk(directory):
        found += [os.path.join(at, name) for name in names if name.endswith((".cast", ".cast.gz", ".cast.zst"))]
    return sorted(path for path in found if f"{os.sep}broken{os.sep}" not in path)


def output(argv, data=None, **how):
    return subprocess.run(argv, input=data, stdout=subprocess.PIPE, check=True, **how).stdout


def number(data, at):
    return int.from_bytes(data[at:at + 4], "little")


def parts(stream):
    """Bytes of the text's frames and of each kind of skippable frame, by the
    seek table at the end."""
    if number(stream, len(stream) - 4) != SEEKABLE:
        raise ValueError("no seek table")
    count = number(stream, len(stream) - 9)
    table = len(stream) - 9 - 8 * count
    sizes = {"text": 0, "keyframes": 0, "index": 0, "padding": 0, "table": len(stream) - table + 8, "frames": 0}
    at = 0
    for entry in range(count):
        size, text = number(stream, table + 8 * entry), number(stream, table + 8 * entry + 4)
        sizes["text" if text else PARTS[number(stream, at)]] += size
        sizes["frames"] += bool(text)
        at += size
    if at + sizes["table"] != len(stream):
        raise ValueError("the seek table tells of other bytes than there are")
    return sizes


def sizes(rerecord, directory):
    """Recordings made again by hrec's writer, at their own times, beside the
    same text through `zstd -9` and age: a sample each."""
    for tool in ("age", "age-keygen", "zstd", "tar"):
        if not shutil.which(tool):
            raise RuntimeError(f"sizes are compared with what {tool} makes, and there is none")
    samples = []
    with tempfile.TemporaryDirectory() as scratch:
        paths = recordings(directory, scratch)
        if not paths:
            raise RuntimeError(f"no asciicasts in {directory}: name a directory of them with --recordings")
        made = output([rerecord, scratch, *paths]).decode()
        identity = f"{scratch}/identity.txt"
        recipient = output(["age-keygen", "-y", identity]).decode().strip()
        for line in made.splitlines():
            turn, seconds = line.split()
            if float(seconds) < SECONDS:
                continue
            path = f"{scratch}/{turn}.cast.zst.age"
            stream = output(["age", "-d", "-i", identity, path])
            text = output(["zstd", "-dcq"], stream)
            if len(text) > BYTES_A_SECOND * float(seconds):
                continue
            stock = output(["age", "-r", recipient], output(["zstd", "-9cq"], text))
            file = os.path.getsize(path)
            # A chunk of 64 KiB has a tag of 16 bytes; before them is a nonce.
            sealed = 16 + len(stream) + 16 * max(1, -(-len(stream) // 65536))
            sample = {"name": os.path.basename(paths[int(turn)]), "seconds": float(seconds), "asciicast": len(text)}
            samples.append(sample | {"file": file, "stock": len(stock), "head": file - sealed} | parts(stream))
    return samples


def seek(program, keep, hours, megabytes, seeks):
    """What tests/bench/seek.rs prints, as one sample in ms and KiB."""
    argv = [program, "--hours", str(hours), "--mb", str(megabytes), "--seeks", str(seeks), "--keep", keep]
    said = output(argv).decode()
    sample = {"hours": hours, "megabytes": megabytes, "seeks": seeks}
    for line in said.splitlines():
        if times := re.match(r"\s*(.+?)\s+p50\s+([\d.]+) ms\s+p99\s+([\d.]+) ms\s+most\s+([\d.]+) ms", line):
            sample[times[1]] = {"p50": float(times[2]), "p99": float(times[3]), "most": float(times[4])}
        elif time := re.match(r"(.+?)\s+([\d.]+) ms$", line):
            sample[time[1]] = float(time[2])
        elif memory := re.match(r"peak memory\s+(\d+) kB", line):
            sample["memory_kb"] = int(memory[1])
    if "seek to a random time" not in sample or "memory_kb" not in sample:
        raise RuntimeError(f"seek said {said!r}")
    return sample


def player(program, seek_program, keep, hours, megabytes, options):
    """What tests/bench/player.rs prints, as one sample in ms, KiB and percent:
    of the recording that tests/bench/seek.rs keeps. Players of others that are
    installed get the same in the clear."""
    path = f"{keep}/seek.cast.zst.age"
    if not os.path.exists(path):
        seek(seek_program, keep, hours, megabytes, 1)
    argv = [program, "--file", path, "--seeks", str(options["seeks"]), "--seconds", str(options["seconds"])]
    argv += ["--manifests", str(options["manifests"])]
    missing = []
    for name, flag in (("asciinema", "--asciinema"), ("termplay", "--termplay")):
        if found := shutil.which(name):
            argv += [flag, found]
        else:
            missing.append(name)
    said = output(argv).decode()
    sample = {"hours": hours, "megabytes": megabytes, "missing": missing, "times": {}, "memory_kb": {}, "cpu": {}, "speed": {}}
    for line in said.splitlines():
        if times := re.match(r"(.+?)\s+p50\s+([\d.]+) ms\s+p99\s+([\d.]+) ms\s+most\s+([\d.]+) ms", line):
            sample["times"][times[1]] = {"p50": float(times[2]), "p99": float(times[3]), "most": float(times[4])}
        elif memory := re.match(r"(.+?)\s+(\d+) kB", line):
            sample["memory_kb"][memory[1]] = int(memory[2])
        elif share := re.match(r"CPU, (.+?)\s+([\d.]+) % of a core", line):
            sample["cpu"][share[1]] = float(share[2])
        elif speed := re.match(r"(.+), as fast as possible\s+(\d+) times as fast", line):
            sample["speed"][speed[1]] = int(speed[2])
    if "key to drawn, seek to a random time" not in sample["times"] or "peak memory" not in sample["memory_kb"]:
        raise RuntimeError(f"player said {said!r}")
    return sample


def search(program, path, rounds):
    """What tests/bench/search.rs prints: a sample for each pattern, times in ms."""
    for tool in ("age", "zstd", "rg"):
        if not shutil.which(tool):
            raise RuntimeError(f"a search is compared with age, zstd and rg, and {tool} is not here")
    samples = []
    for line in output([program, path, "--rounds", str(rounds)]).decode().splitlines():
        if not line.startswith(" "):
            samples.append({"pattern": line, "first": [], "all": [], "pipe": []})
        elif ours := re.match(r"\s+hrec: first (?:(\d+) ms|none), all (\d+) ms, (\d+) matches", line):
            if ours[1]:
                samples[-1]["first"].append(int(ours[1]))
            samples[-1]["all"].append(int(ours[2]))
            samples[-1]["matches"] = int(ours[3])
        elif pipe := re.match(r"\s+age \| zstd \| rg: all (\d+) ms", line):
            samples[-1]["pipe"].append(int(pipe[1]))
    if not samples or not all(sample["all"] and sample["pipe"] for sample in samples):
        raise RuntimeError(f"search said {samples!r}")
    return samples


# The generator of P-256, and with it an ML-KEM-768 key of zeros: valid, and
# nobody's.
POINT = "6b17d1f2e12c4247f8bce6e563a440f277037d812deb33a0f4a13945d898c296"
POINT_Y = "4fe342e2fe1a7f9b8ee7eb4a7c0f9e162bce33576b315ececbb6406837bf51f5"


def recipients(program, plugin):
    """What each kind of recipient costs, by tests/bench/recipients.rs: a sample
    each. Kinds whose tool is not here are left out, and told."""
    samples, missing = [], []
    with tempfile.TemporaryDirectory() as scratch:
        def keep(name, recipient, identity=None):
            for ending, text in (("txt", recipient), ("key", identity)):
                if text is not None:
                    with open(os.open(f"{scratch}/{name}.{ending}", os.O_CREAT | os.O_WRONLY, 0o600), "w") as file:
                        file.write(text)
            return [f"{name}.key" if identity else "-", f"{name}.txt"]

        def age_key():
            identity = output(["age-keygen"], stderr=subprocess.DEVNULL).decode()
            return output(["age-keygen", "-y"], identity.encode()).decode(), identity

        ours, alone = [], []
        if shutil.which("age-keygen"):
            keys = [age_key() for _ in range(11)]
            ours += [keep("X25519", *keys[0]), keep("eleven-of-them", "".join(key[0] for key in keys), keys[-1][1])]
        else:
            missing.append("age-keygen is not here: no X25519 recipients are measured")
        if shutil.which("ssh-keygen"):
            for kind, bits in (("ed25519", ""), ("rsa", "2048"), ("rsa", "3072"), ("rsa", "4096")):
                path = f"{scratch}/ssh-{kind}{bits}"
                output(["ssh-keygen", "-q", "-t", kind, *(["-b", bits] if bits else []), "-N", "", "-f", path])
                ours.append([path, f"{path}.pub"])
        else:
            missing.append("ssh-keygen is not here: no SSH keys are measured")
        os.mkdir(f"{scratch}/bin")
        for name, kind in (("test", ours), ("pq", alone)):
            shutil.copy(plugin, f"{scratch}/bin/age-plugin-{name}")
            os.chmod(f"{scratch}/bin/age-plugin-{name}", 0o755)
            recipient, identity = output([f"{scratch}/bin/age-plugin-{name}", "--keygen"]).decode().split()
            kind.append(keep(f"plugin-{name}", recipient, identity))
        zeros = "00" * 1184
        for hrp, data in (("age1tag", f"03{POINT}"), ("age1tagpq", f"{zeros}04{POINT}{POINT_Y}")):
            alone.append(keep(hrp, output([f"{scratch}/bin/age-plugin-pq", "--bech32", hrp, data]).decode()))
        env = os.environ | {"PATH": f"{scratch}/bin:{os.environ['PATH']}"}
        # Post-quantum recipients stand beside no others.
        for some in [ours, *([pair] for pair in alone)]:
            argv = [program, *(file for pair in some for file in pair)]
            run = subprocess.run(argv, cwd=scratch, env=env, stdout=subprocess.PIPE, check=True)
            for line in run.stdout.decode().splitlines():
                name, size, wrap, unwrap = (cell.split(" ")[-1 if i else 0] for i, cell in enumerate(line.replace(" bytes", "").split("\t")))
                if len(some) > 1 or not line.startswith("all together"):
                    name = "all of these" if line.startswith("all together") else os.path.basename(name).removesuffix(".txt").removesuffix(".pub")
                    samples.append({"name": name, "header": int(size), "wrap": wrap, "unwrap": unwrap})
    for line in missing:
        print(line, file=sys.stderr)
    return samples


def verify_all(hrec, keep, count, size, rounds):
    """`hrec verify --all` beside sha256sum over the same files, by turns. The
    store is made once, by as many sessions, each sealed by a key of its own."""
    env = {"HOME": keep, "PATH": os.environ["PATH"], "LANG": "C.UTF-8"}
    os.makedirs(f"{keep}/.config/hrec", exist_ok=True)
    with open(f"{keep}/.config/hrec/config.toml", "w") as file:
        file.write("[record]\nsync = false\n[shell]\nstream_burst = \"1GiB\"\n")
    store = f"{keep}/.local/share/hrec/recordings"
    files = lambda: [os.path.join(at, name) for at, _, names in os.walk(store) for name in names]
    nothing = {"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL}
    for number in range(sum(path.endswith(".sig") for path in files()), count):
        record = [hrec, "rec", "--", "head", "-c", str(size), "/dev/urandom"]
        subprocess.run(record, env=env, check=True, stderr=subprocess.DEVNULL, **nothing)
        if number % 1000 == 0:
            print(f"{number} recordings", file=sys.stderr)
    paths = files()
    listed = "\0".join(paths).encode()
    ours, theirs = [], []
    for _ in range(rounds + 1):
        for times, argv, data in ((ours, [hrec, "verify", "--all"], None), (theirs, ["xargs", "-0", "sha256sum"], listed)):
            before, start = os.times(), time.monotonic()
            subprocess.run(argv, input=data, env=env, check=True, stdout=subprocess.DEVNULL)
            wall, after = time.monotonic() - start, os.times()
            cpu = after.children_user + after.children_system - before.children_user - before.children_system
            times.append({"wall": wall, "cpu": cpu})
    # The first round fills the cache for both.
    sample = {"recordings": count, "files": len(paths), "bytes": sum(map(os.path.getsize, paths))}
    return sample | {"hrec": ours[1:], "sha256sum": theirs[1:]}


def ledger(program, keep, entries):
    """What tests/bench/ledger.rs prints, as one sample in ms."""
    said = output([program, str(entries), keep]).decode()
    sample = {"entries": entries}
    for line in said.splitlines():
        if times := re.match(r"(.+): p50 ([\d.]+) ms, p99 ([\d.]+) ms, worst ([\d.]+) ms(?:, (\d+) a second)?$", line):
            sample[times[1]] = dict(zip(("p50", "p99", "most"), map(float, times.groups()[1:4])))
            if times[5]:
                sample[times[1]]["rate"] = int(times[5])
        elif taken := re.match(r"(.+): ([\d.]+) s$", line):
            sample[taken[1]] = float(taken[2]) * 1e3
    if "inclusion proof" not in sample or "check" not in sample:
        raise RuntimeError(f"ledger said {said!r}")
    return sample


def kills(root, count):
    """What tests/kill.rs prints, a sample for each load."""
    argv = ["cargo", "test", "--release", "--locked", "--quiet", "--manifest-path", f"{root}/Cargo.toml"]
    env = os.environ | {"HREC_KILLS": str(count)}
    run = subprocess.run([*argv, "--test", "kill", "--", "--nocapture"], env=env, stdout=subprocess.PIPE)
    said = run.stdout.decode()
    pattern = r"(\w+): (\d+) kills, (\d+) before .*?, (\d+) unreadable; lost: median (\d+) ms, 99 % (\d+) ms, worst (\d+) ms"
    samples = []
    for load, *numbers in re.findall(pattern, said):
        names = ("kills", "early", "unreadable", "median_ms", "p99_ms", "worst_ms")
        samples.append({"load": load, "unfinished": run.returncode != 0} | dict(zip(names, map(int, numbers))))
    if len(samples) != 3:
        print(said, file=sys.stderr)
        raise RuntimeError("the test of kills did not come to its end")
    return samples
