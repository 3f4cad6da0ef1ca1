/* spin.c - SCHED_IDLE spinner: keeps a vCPU out of HLT so that wake-up latency of a VM does not
 * swamp the numbers; any normal task preempts it at once. gcc -O2 -o spin spin.c; taskset -c 0
 * ./spin SECONDS */
#define _GNU_SOURCE
#include <sched.h>
#include <stdlib.h>
#include <time.h>
int main(int a, char **v) {
    struct sched_param p = {0};
    if (sched_setscheduler(0, SCHED_IDLE, &p))
        return 1;
    time_t e = time(0) + (a > 1 ? atoi(v[1]) : 600);
    while (time(0) < e)
        for (volatile int i = 0; i < 1000000; i++)
            ;
    return 0;
}
