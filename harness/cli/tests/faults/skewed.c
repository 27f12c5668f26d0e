/* Loaded into the command (LD_PRELOAD): its clock is SKEW seconds off. What it starts in pods has a clean
   environment, and the machine's clock. */
#include <stdlib.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

int clock_gettime(clockid_t clock, struct timespec *now) {
    int failed = (int)syscall(SYS_clock_gettime, clock, now);
    const char *skew = getenv("SKEW");
    if (!failed && skew && clock == CLOCK_REALTIME)
        now->tv_sec += atol(skew);
    return failed;
}
