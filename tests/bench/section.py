"""The section FIGURES of hrec-design(7), from kept samples: `run --report`
prints it, and it replaces what stands between the two marks in that page."""
import demands

BEGIN, END = '.\\" tests/bench/run --report begins', '.\\" tests/bench/run --report ends'
NAMES = {"floor-ttyrec": "floor, ttyrec", "hrec-nosync": "hrec, no syncs", "asciinema": "asciinema 3", "ovh-ttyrec": "ovh-ttyrec, zstd"}
PLAIN = {"≤": "at most", "≥": "at least", "×": "x", "µs": "\\(mcs"}


def plain(text):
    """Manual pages have their own words for a few characters."""
    for character, word in PLAIN.items():
        text = text.replace(character, word)
    return text.replace("-", "\\-") if text.startswith("-") else text


def columns(head, rows):
    """A list of columns as wide as what is in them."""
    widths = [max([head[i], *(row[i] for row in rows)], key=len) for i in range(len(head))]
    print(".Bl -column " + " ".join(f'"{plain(width)}"' for width in widths))
    print(".It " + " Ta ".join(f"Sy {plain(cell)}" for cell in head))
    for row in rows:
        print(".It " + " Ta ".join(plain(cell) or "\\&" for cell in row))
    print(".El")


def write(results):
    machine, rows = results["machine"], demands.judged(results)
    print(BEGIN)
    print(f"One run, of {machine['time'][:10]}, on {machine['cpus']} processors\n({machine['cpu']},\n{machine['system']}):")
    if results["quick"]:
        print("of small data and few rounds: a look, not a figure:")
    verdict = {True: "yes", False: "no", None: "\\-"}
    columns(["what", "must be", "is", "met"], [[row.what, row.must, row.own, verdict[row.met]] for row in rows])
    print(".Pp\nThe same of the others, where they have it:")
    by_peer = [row for row in rows if len(row.cells) > 1]
    # A page is 80 characters wide: a few columns at a time.
    short = {"200 MB, wall": "wall", "200 MB, CPU": "CPU", "wake-ups while nothing happens": "wake-ups", "/bin/true, syncs off": "true"}
    for group in (
        ("200 MB, wall", "200 MB, CPU", "wake-ups while nothing happens", "/bin/true, syncs off"),
        ("echo, 5 ms gaps, 50%", "echo, 5 ms gaps, 99%", "echo, back to back, 50%", "echo, back to back, 99%"),
        ("memory, somebody types", "memory, 200 MB burst", "memory, viewer stalled"),
        ("^C on a flood, to the end", "^C on a flood, still printed", "lost by SIGKILL, a line every 10 ms", "lost by SIGKILL, a flood"),
    ):
        some = [row for row in by_peer if row.what in group]
        names = [name for name in demands.PEERS if any(name in row.cells for row in some)]
        if not some:
            continue
        heads = [short.get(row.what, row.what.split(", ", 1)[-1]) for row in some]
        first = some[0].what.split(", ")[0]
        label = "recorder" if len({row.what.split(", ")[0] for row in some}) > 1 else first
        columns([label, *heads], [[NAMES.get(name, name), *(row.cells.get(name, "") for row in some)] for name in names])
    if results["missing"]:
        print(".Pp")
    for line in results["missing"]:
        print(f"Not measured: {line.split(' is not here')[0]}.")
    print(END)
