/* fcm_hex.h - the hex codecs, one file per instruction set. */
#ifndef FCM_HEX_H
#define FCM_HEX_H

#include "fcm.h"

void fcm_hex_encode_scalar(char *dst, const uint8_t *src, size_t len);
ptrdiff_t fcm_hex_decode_scalar(uint8_t *dst, const char *src, size_t len);

/* What a vector loop that stopped after `done` of `len` octets leaves: the tail, or the block with the bad digit. */
ptrdiff_t fcm_hex_decode_rest(uint8_t *dst, const char *src, size_t len, size_t done);

/* Where FCM_WITH_X86 is defined; else there are no such objects. */
extern const struct fcm_hex fcm_hex_ssse3, fcm_hex_avx2, fcm_hex_avx512;

/* Where FCM_WITH_NEON is. */
extern const struct fcm_hex fcm_hex_neon;

#endif
