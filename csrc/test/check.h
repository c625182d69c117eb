/* check.h - what the tests of the core share. */
#ifndef CHECK_H
#define CHECK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A failed check is printed and counted; the test goes on. */
#define CHECK(condition) check_that((condition), #condition, __FILE__, __LINE__)

bool check_that(bool holds, const char *condition, const char *file, int line);

/* A copy of data[0..len) whose end is the end of the mapped memory, valid until the next call
 * with the same slot (0 or 1).  At most GUARDED bytes. */
#define GUARDED 262144
uint8_t *guarded(int slot, const void *data, size_t len);

/* The same, but it starts where the mapped memory does. */
uint8_t *guarded_start(int slot, const void *data, size_t len);

void test_frame(void);
void test_escape(void);
void test_guard(void);
void test_watch(void);
void test_hex(void);

#endif
