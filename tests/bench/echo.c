/* Says READY, then gives every key back at once, until ^D. */
#include <string.h>
#include <termios.h>
#include <unistd.h>

int main(void) {
    struct termios settings;
    if (!tcgetattr(0, &settings)) {
        cfmakeraw(&settings);
        tcsetattr(0, TCSANOW, &settings);
    }
    if (write(1, "<<READY>>", 9) != 9) return 1;
    char keys[4096];
    ssize_t n;
    while ((n = read(0, keys, sizeof keys)) > 0) {
        if (memchr(keys, 4, (size_t)n)) return 0;
        if (write(1, keys, (size_t)n) != n) return 1;
    }
    return 0;
}
