/* The floor: the least that a recorder in user space can do. A PTY, a relay,
   and either no recording at all ("none") or a ttyrec-like one, a header and
   a writev for each read ("ttyrec").

   relay_floor none|ttyrec FILE COMMAND ARGS... */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pty.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

static int record = -1;

static void write_all(int fd, const char *data, size_t len) {
    while (len > 0) {
        ssize_t n = write(fd, data, len);
        if (n < 0) {
            if (errno == EINTR) continue;
            _exit(9);
        }
        data += n;
        len -= (size_t)n;
    }
}

static void record_output(char *data, size_t len) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    unsigned header[3] = {(unsigned)now.tv_sec, (unsigned)(now.tv_nsec / 1000), (unsigned)len};
    struct iovec both[2] = {{header, sizeof header}, {data, len}};
    if (writev(record, both, 2) < 0) _exit(8);
}

int main(int argc, char **argv) {
    if (argc < 4) return 2;
    if (!strcmp(argv[1], "ttyrec")) {
        record = open(argv[2], O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
        if (record < 0) return 7;
    }
    struct termios own, raw;
    struct winsize size;
    int terminal = !tcgetattr(0, &own);
    ioctl(0, TIOCGWINSZ, &size);
    int master;
    pid_t child = forkpty(&master, NULL, terminal ? &own : NULL, &size);
    if (child < 0) return 6;
    if (child == 0) {
        execvp(argv[3], argv + 3);
        _exit(127);
    }
    if (terminal) {
        raw = own;
        cfmakeraw(&raw);
        tcsetattr(0, TCSANOW, &raw);
    }
    static char buffer[65536];
    struct pollfd fds[2] = {{master, POLLIN, 0}, {0, POLLIN, 0}};
    for (;;) {
        if (poll(fds, 2, -1) < 0) {
            if (errno == EINTR) continue;
            break;
        }
        if (fds[1].revents) {
            ssize_t n = read(0, buffer, 4096);
            if (n > 0) write_all(master, buffer, (size_t)n);
            else fds[1].fd = -1;
        }
        if (fds[0].revents) {
            ssize_t n = read(master, buffer, sizeof buffer);
            if (n <= 0) break;
            write_all(1, buffer, (size_t)n);
            if (record >= 0) record_output(buffer, (size_t)n);
        }
    }
    int status;
    waitpid(child, &status, 0);
    if (terminal) tcsetattr(0, TCSADRAIN, &own);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
}
