#define _DEFAULT_SOURCE
#include "check.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static int checks, failures;

bool check_that(bool holds, const char *condition, const char *file, int line)
{
    checks++;
    if (holds) return true;
    if (failures++ < 20) fprintf(stderr, "%s:%d: %s\n", file, line, condition);
    return false;
}

/* Whole pages that hold GUARDED bytes. */
static size_t mapped(void)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    return (GUARDED + page - 1) / page * page;
}

/* The start of a mapping between two pages that may not be touched. */
static uint8_t *map_guarded(void)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE), size = mapped();
    uint8_t *start = mmap(NULL, size + 2 * page, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (start == MAP_FAILED || mprotect(start + page, size, PROT_READ | PROT_WRITE) != 0) abort();
    return start + page;
}

uint8_t *guarded_start(int slot, const void *data, size_t len)
{
    static uint8_t *starts[2];
    if (len > GUARDED) abort();
    if (!starts[slot]) starts[slot] = map_guarded();
    if (len > 0) memmove(starts[slot], data, len);
    return starts[slot];
}

uint8_t *guarded(int slot, const void *data, size_t len)
{
    uint8_t *place = guarded_start(slot, NULL, 0) + mapped() - len;
    if (len > GUARDED) abort();
    if (len > 0) memmove(place, data, len);
    return place;
}

int main(void)
{
    test_frame();
    test_escape();
    test_guard();
    test_watch();
    test_hex();
    printf("%d checks, %d failed\n", checks, failures);
    return failures ? EXIT_FAILURE : EXIT_SUCCESS;
}
