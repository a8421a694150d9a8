"""Says the terminal's size, in cells and pixels, at the start and at every
SIGWINCH, until a line comes on standard input."""
import fcntl
import os
import select
import signal
import struct
import termios

wake_read, wake_write = os.pipe()
os.set_blocking(wake_write, False)
signal.set_wakeup_fd(wake_write)
signal.signal(signal.SIGWINCH, lambda *_: None)


def report():
    rows, cols, x, y = struct.unpack("HHHH", fcntl.ioctl(0, termios.TIOCGWINSZ, bytes(8)))
    os.write(1, b"<%dx%d %dx%d>\n" % (cols, rows, x, y))


report()
while True:
    ready, _, _ = select.select([0, wake_read], [], [])
    if wake_read in ready:
        os.read(wake_read, 4096)
        report()
    if 0 in ready:
        os.read(0, 4096)
        break
