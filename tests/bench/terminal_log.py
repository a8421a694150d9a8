"""Makes terminal output such as a working day gives: builds, logs, listings,
progress bars, full-screen redraws. The same seed gives the same bytes; valid
UTF-8, LF line ends, no terminal queries."""
import random
import time

CSI = "\x1b["
WORDS = (
    "parse build cache index stream buffer session token layout shader kernel driver socket router schema lexer "
    "runtime worker thread packet frame volume metric tracer config plugin module vector matrix signal render "
    "widget cursor editor shell prompt history replay record"
).split()
EXTENSIONS = "rs c cc h py go ts toml md json".split()
FOREIGN = (
    "日本語のテキスト処理", "Ελληνικά κείμενα", "русский текст в журнале", "한국어 출력 예제", "中文日志输出测试",
    "naïve café façade", "größer Übergang", "🚀 deploy ✅ done", "│ ├─ └─ ┌┐ ═╬═", "λ → ∀x∈S: f(x)≥0", "▁▂▃▄▅▆▇█",
)


class Writer:
    def __init__(self, seed):
        self.random = random.Random(seed)
        self.now = 1_700_000_000.0

    def below(self, *bounds):
        return self.random.randrange(*bounds)

    def one_of(self, choices):
        return self.random.choice(choices)

    def name(self):
        number = str(self.below(100)) if self.random.random() < 0.3 else ""
        return f"{self.one_of(WORDS)}_{self.one_of(WORDS)}{number}"

    def path(self):
        dirs = "/".join(self.one_of(WORDS) for _ in range(self.below(1, 4)))
        return f"{dirs}/{self.name()}.{self.one_of(EXTENSIONS)}"

    def build(self):
        return "".join(self.build_line() for _ in range(self.below(15, 60)))

    def build_line(self):
        kind = self.random.random()
        if kind < 0.62:
            version = f"v{self.below(4)}.{self.below(30)}.{self.below(20)}"
            return f"{CSI}1m{CSI}32m   Compiling{CSI}0m {self.one_of(WORDS)}-{self.one_of(WORDS)} {version} (/home/dev/src/{self.path()})\n"
        if kind < 0.78:
            line, name = self.below(1, 2400), self.name()
            bar = f"{CSI}1m{CSI}34m|{CSI}0m"
            return (
                f"{CSI}1m{CSI}33mwarning{CSI}0m{CSI}1m: unused variable: `{name}`{CSI}0m\n"
                f" {CSI}1m{CSI}34m--> {CSI}0m{self.path()}:{line}:{self.below(1, 90)}\n  {bar}\n"
                f"{CSI}1m{CSI}34m{line:4}{CSI}0m {bar}     let {name} = {self.name()}(&{self.name()}, {self.below(9999)});\n"
                f"  {bar}         {CSI}1m{CSI}33m{'^' * len(name)} help: prefix it with an underscore: `_{name}`{CSI}0m\n\n"
            )
        if kind < 0.84:
            place = f"{self.path()}:{self.below(1, 2400)}:{self.below(1, 90)}"
            return (
                f"{CSI}1m{place}: {CSI}0m{CSI}0;1;31merror: {CSI}0m{CSI}1muse of undeclared identifier '{self.name()}'{CSI}0m\n"
                f"    return {self.name()}->{self.name()}({self.name()}, 0x{self.below(1 << 32):08x});\n{CSI}0;1;32m           ^{CSI}0m\n"
            )
        if kind < 0.95:
            return f"[{self.below(101):3}%] {CSI}32mBuilding CXX object src/{self.one_of(WORDS)}/CMakeFiles/{self.name()}.cc.o{CSI}0m\n"
        return f"gcc -O2 -g -Wall -Wextra -fPIC -Isrc/{self.one_of(WORDS)} -Iinclude -DNDEBUG -c {self.path()} -o build/{self.name()}.o\n"

    def log(self):
        return "".join(self.log_line() for _ in range(self.below(20, 80)))

    def log_line(self):
        self.now += self.random.random() * 0.2
        stamp = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(self.now)) + f".{self.below(10**6):06}Z"
        level = self.one_of(("INFO", "INFO", "INFO", "DEBUG", "DEBUG", "WARN", "ERROR"))
        status = self.one_of((200, 200, 200, 201, 204, 301, 404, 500))
        return (
            f"{stamp} {level:5} {self.one_of(WORDS)}::{self.one_of(WORDS)} request_id={self.below(1 << 64):016x} "
            f"user={self.one_of(WORDS)}{self.below(5000)} path=/api/v{self.below(1, 4)}/{self.one_of(WORDS)}/{self.below(10**6)} "
            f"status={status} bytes={self.below(200000)} dur_ms={self.random.random() * 900:.3f}\n"
        )

    def listing(self):
        prompt = f"{CSI}?2004h{CSI}01;32mdev@build{self.below(20):02}{CSI}00m:{CSI}01;34m~/src/{self.one_of(WORDS)}{CSI}00m$ "
        lines = [f"{prompt}ls -la --color\r\n{CSI}?2004l\rtotal {self.below(9000)}\n"]
        for _ in range(self.below(10, 40)):
            is_dir = self.random.random() < 0.3
            name = f"{CSI}01;34m{self.name()}{CSI}0m" if is_dir else f"{self.name()}.{self.one_of(EXTENSIONS)}"
            mode = "drwxr-xr-x" if is_dir else "-rw-r--r--"
            when = f"{self.one_of(('Jan', 'Feb', 'Mar', 'Apr'))} {self.below(1, 29):2} {self.below(24):02}:{self.below(60):02}"
            lines.append(f"{mode} {self.below(1, 9):2} dev  staff {self.below(10**7):9} {when} {name}\n")
        return "".join(lines)

    def foreign(self):
        def line():
            number = self.random.random()
            return f"{CSI}36m{self.below(10**4):5}{CSI}0m {self.one_of(FOREIGN)} {self.name()} {self.one_of(FOREIGN)} {number:.4f} {self.one_of(FOREIGN)}\n"

        return "".join(line() for _ in range(self.below(10, 30)))

    def progress(self):
        steps, name = self.below(20, 80), self.name()

        def step(i):
            done = i * 40 // steps
            rate = self.random.random() * 20
            return f"\r{CSI}K{CSI}1m{CSI}36m  Fetch{CSI}0m [{'=' * done}>{' ' * (40 - done)}] {i}/{steps}: {name} {rate:.2f} MiB/s"

        return "".join(step(i) for i in range(steps + 1)) + "\n"

    def full_screen(self):
        parts = [f"{CSI}?1049h{CSI}H{CSI}2J{CSI}?25l"]
        chance = self.random.random
        for _ in range(self.below(3, 9)):
            clock = f"{self.below(24):02}:{self.below(60):02}:{self.below(60):02}"
            parts.append(f"{CSI}H{CSI}1mtop - {clock} up {self.below(90)} days, load average: {chance() * 4:.2f}, {chance() * 4:.2f}{CSI}0m{CSI}K")
            for row in range(2, 40):
                if chance() < 0.75:
                    parts.append(
                        f"{CSI}{row};1H{self.below(40000):6} {self.one_of(('root', 'dev', 'www'))}  20   0 {self.below(9 * 10**6):8} "
                        f"{self.below(10**6):7} {self.one_of('SRDI')} {chance() * 100:5.1f} {CSI}3{self.below(8)}m{self.name()}{CSI}0m{CSI}K"
                    )
                else:
                    parts.append(f"{CSI}{row};{self.below(1, 100)}H{CSI}7m {chance() * 100:5.1f} {CSI}27m")
        return "".join(parts) + f"{CSI}?25h{CSI}?1049l"

    def block(self):
        kind = self.random.random()
        shares = (
            (0.42, self.build), (0.67, self.log), (0.74, self.listing),
            (0.84, self.foreign), (0.91, self.progress), (1, self.full_screen),
        )
        return next(make for share, make in shares if kind <= share)()


def write(path, size, seed=1):
    """Writes exactly `size` bytes."""
    writer, left = Writer(seed), size
    with open(path, "wb") as file:
        while left > 0:
            block = writer.block().encode()
            if len(block) > left:
                block = block[:left].decode("utf-8", "ignore").encode()
                block += b"." * (left - len(block))
            file.write(block)
            left -= len(block)
