// Checks the probe: a thread with a shard's name makes every kind of allocation, so does one without, and the program
// prints the two numbers that the probe must have counted.
#define _GNU_SOURCE
#include <malloc.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>

static void *volatile kept;

static void *allocate(void *name) {
    if (name) prctl(PR_SET_NAME, name, 0, 0, 0);
    void *block = NULL;
    kept = malloc(100);
    kept = realloc(kept, 200);
    free(kept);
    kept = calloc(2, 50);
    kept = reallocarray(kept, 3, 50);
    free(kept);
    kept = aligned_alloc(64, 128);
    free(kept);
    kept = memalign(64, 128);
    free(kept);
    if (posix_memalign(&block, 64, 128) == 0) kept = block;
    free(kept);
    return NULL;
}

int main(void) {
    pthread_t thread;
    if (pthread_create(&thread, NULL, allocate, NULL) != 0) return 1;
    pthread_join(thread, NULL);
    if (pthread_create(&thread, NULL, allocate, "ringway-shard") != 0) return 1;
    pthread_join(thread, NULL);
    puts("7 5");
    return 0;
}
