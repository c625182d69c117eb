/* fcm_hex.h - the hex codecs, one file per instruction set. */
#ifndef FCM_HEX_H
#define FCM_HEX_H

#include "fcm.h"

void fcm_hex_encode_scalar(char *dst, const uint8_t *src, size_t len);
ptrdiff_t fcm_hex_decode_scalar(uint8_t *dst, const char *src, size_t len);

/* Where FCM_WITH_AVX2 is defined; else there is no such object. */
extern const struct fcm_hex fcm_hex_avx2;

#endif
