/* The time of day for a program that is started with this loaded before it: the seconds since 1970 that a file holds,
 * as a 64-bit number. Whoever writes there sets the clock at that moment. From then on it goes a thousand times slower
 * than others: it stands still as far as seconds go, and of two readings the later one is later. No other clock is
 * touched. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

enum { SECOND = 1000000000, SLOWER = 1000 };

static const volatile int64_t *seconds;
static int file;

__attribute__((constructor)) static void open_clock(void)
{
    const char *name = getenv("NODELOCK_TEST_CLOCK");
    file = name ? open(name, O_RDONLY | O_CLOEXEC) : -1;
    void *place = file < 0 ? MAP_FAILED : mmap(NULL, sizeof *seconds, PROT_READ, MAP_SHARED, file, 0);
    if (place == MAP_FAILED)
        abort();
    seconds = place;
}

/* How many nanoseconds passed since the clock was set, at least 0. */
static int64_t since_set(void)
{
    struct timespec now;
    struct stat set;
    if (fstat(file, &set) || syscall(SYS_clock_gettime, CLOCK_REALTIME, &now))
        return 0;
    int64_t since = (now.tv_sec - set.st_mtim.tv_sec) * (int64_t)SECOND + now.tv_nsec - set.st_mtim.tv_nsec;
    return since < 0 ? 0 : since;
}

int clock_gettime(clockid_t clock, struct timespec *time)
{
    if (clock != CLOCK_REALTIME || !seconds)
        return (int)syscall(SYS_clock_gettime, clock, time);
    int64_t since = since_set() / SLOWER;
    time->tv_sec = *seconds;
    time->tv_nsec = since < SECOND ? since : SECOND - 1;
    return 0;
}
