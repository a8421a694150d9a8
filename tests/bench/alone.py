"""What is measured of hrec alone, since no peer can or does it: the size of
finished files, opening and seeking, and what many kills cost."""
import os
import re
import shutil
import subprocess
import sys
import tempfile

SEEKABLE, SKIPPABLE = 0x8F92EAB1, 0x184D2A50
PARTS = {0x184D2A50: "padding", 0x184D2A51: "keyframes", 0x184D2A52: "index", 0x184D2A5E: "table"}
# A recording of a person is one that lasts: what is over at once was printed
# by a program, and is not what the figure is about.
SECONDS = 2


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


def output(argv, data=None):
    return subprocess.run(argv, input=data, stdout=subprocess.PIPE, check=True).stdout


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
        elif memory := re.match(r"peak memory\s+(\d+) kB", line):
            sample["memory_kb"] = int(memory[1])
    if "seek to a random time" not in sample or "memory_kb" not in sample:
        raise RuntimeError(f"seek said {said!r}")
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
