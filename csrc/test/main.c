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

/* The end of a mapping of `size` bytes, before a page that may not be touched. */
static uint8_t *map_guarded(size_t size)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    uint8_t *start = mmap(NULL, size + page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (start == MAP_FAILED || mprotect(start + size, page, PROT_NONE) != 0) abort();
    return start + size;
}

uint8_t *guarded(int slot, const void *data, size_t len)
{
    static uint8_t *ends[2];
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    if (len > GUARDED) abort();
    if (!ends[slot]) ends[slot] = map_guarded((GUARDED + page - 1) / page * page);
    if (len > 0) memmove(ends[slot] - len, data, len);
    return ends[slot] - len;
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
