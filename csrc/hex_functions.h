/* hex_functions.h - the hex codecs as built-in functions of the extension module, `_core.hex_codecs`.
 *
 * A call through cffi costs several times what a short input does, gives up the GIL each time, and needs an object for
 * each buffer that is not `bytes`.  Of the stable ABI of CPython 3.11.  Each function's `self` is a capsule of its codec.
 */
#ifndef HEX_FUNCTIONS_H
#define HEX_FUNCTIONS_H

#include "fcm.h"

/* From so many octets on, some 0.1 ms of work, other threads may run meanwhile. */
#define HEX_LONG (1 << 20)

static const struct fcm_hex *hex_of(PyObject *self) { return (const struct fcm_hex *)PyCapsule_GetPointer(self, NULL); }

static int hex_read(PyObject *object, Py_buffer *view)
{
    if (PyObject_GetBuffer(object, view, PyBUF_SIMPLE) == 0) return 0;
    if (PyErr_ExceptionMatches(PyExc_BufferError) || PyErr_ExceptionMatches(PyExc_ValueError))
        PyErr_SetString(PyExc_BufferError, "the buffer is not contiguous: pass a copy, such as bytes(buffer)");
    return -1;
}

static int hex_write(PyObject *object, Py_buffer *view)
{
    if (PyObject_GetBuffer(object, view, PyBUF_WRITABLE) == 0) return 0;
    PyErr_Clear();
    if (hex_read(object, view) != 0) return -1;
    PyBuffer_Release(view);
    PyErr_SetString(PyExc_BufferError, "the output buffer is read-only");
    return -1;
}

/* An output that overlaps the input gets a copy of it to read. */
static int hex_part(Py_buffer *src, const Py_buffer *dst, size_t room)
{
    uintptr_t from = (uintptr_t)src->buf, to = (uintptr_t)dst->buf;
    if (to >= from + (size_t)src->len || from >= to + room) return 0;
    PyObject *copy = PyBytes_FromStringAndSize((const char *)src->buf, src->len);
    if (!copy) return -1;
    Py_buffer view;
    int failed = PyObject_GetBuffer(copy, &view, PyBUF_SIMPLE);
    Py_DECREF(copy);
    if (failed) return -1;
    PyBuffer_Release(src);
    *src = view;
    return 0;
}

/* The two arguments of an `_into`, with room in the second for `twice` the first, or else half of it. */
static int hex_open(PyObject *const *args, Py_ssize_t count, bool twice, Py_buffer *src, Py_buffer *dst)
{
    if (count != 2) {
        PyErr_Format(PyExc_TypeError, "two buffers are wanted, not %zd", count);
        return -1;
    }
    if (hex_read(args[0], src) != 0) return -1;
    if (hex_write(args[1], dst) == 0) {
        size_t need = twice ? 2 * (size_t)src->len : (size_t)src->len / 2;
        if ((size_t)dst->len < need)
            PyErr_Format(PyExc_ValueError, "the output buffer holds %zd bytes, %zu are needed", dst->len, need);
        else if (hex_part(src, dst, need) == 0)
            return 0;
        PyBuffer_Release(dst);
    }
    PyBuffer_Release(src);
    return -1;
}

static void hex_encode_to(PyObject *self, char *dst, const Py_buffer *src)
{
    const struct fcm_hex *hex = hex_of(self);
    PyThreadState *thread = src->len >= HEX_LONG ? PyEval_SaveThread() : NULL;
    hex->encode(dst, (const uint8_t *)src->buf, (size_t)src->len);
    if (thread) PyEval_RestoreThread(thread);
}

static void hex_bad(const Py_buffer *src, Py_ssize_t index)
{
    PyObject *digit = PyBytes_FromStringAndSize((const char *)src->buf + index, 1);
    if (digit) PyErr_Format(PyExc_ValueError, "not a hex digit at index %zd: %R", index, digit);
    Py_XDECREF(digit);
}

static int hex_decode_to(PyObject *self, uint8_t *dst, const Py_buffer *src)
{
    const struct fcm_hex *hex = hex_of(self);
    PyThreadState *thread = src->len / 2 >= HEX_LONG ? PyEval_SaveThread() : NULL;
    ptrdiff_t count = hex->decode(dst, (const char *)src->buf, (size_t)src->len / 2);
    if (thread) PyEval_RestoreThread(thread);
    if (count >= 0 && src->len % 2 == 0) return 0;
    if (count < 0)
        hex_bad(src, -1 - count);
    else
        PyErr_Format(PyExc_ValueError, "%zd hex digits do not make whole bytes: the digit at index %zd stands alone",
                     src->len, src->len - 1);
    return -1;
}

static PyObject *hex_encode(PyObject *self, PyObject *data)
{
    Py_buffer src;
    if (hex_read(data, &src) != 0) return NULL;
    PyObject *out = src.len <= PY_SSIZE_T_MAX / 2 ? PyBytes_FromStringAndSize(NULL, 2 * src.len) : PyErr_NoMemory();
    if (out) hex_encode_to(self, PyBytes_AsString(out), &src);
    PyBuffer_Release(&src);
    return out;
}

static PyObject *hex_decode(PyObject *self, PyObject *text)
{
    Py_buffer src;
    if (hex_read(text, &src) != 0) return NULL;
    PyObject *out = PyBytes_FromStringAndSize(NULL, src.len / 2);
    if (out && hex_decode_to(self, (uint8_t *)PyBytes_AsString(out), &src) != 0) {
        Py_DECREF(out);
        out = NULL;
    }
    PyBuffer_Release(&src);
    return out;
}

static PyObject *hex_encode_into(PyObject *self, PyObject *const *args, Py_ssize_t count)
{
    Py_buffer src, dst;
    if (hex_open(args, count, true, &src, &dst) != 0) return NULL;
    Py_ssize_t written = 2 * src.len;
    hex_encode_to(self, (char *)dst.buf, &src);
    PyBuffer_Release(&dst);
    PyBuffer_Release(&src);
    return PyLong_FromSsize_t(written);
}

static PyObject *hex_decode_into(PyObject *self, PyObject *const *args, Py_ssize_t count)
{
    Py_buffer src, dst;
    if (hex_open(args, count, false, &src, &dst) != 0) return NULL;
    Py_ssize_t written = src.len / 2;
    int failed = hex_decode_to(self, (uint8_t *)dst.buf, &src);
    PyBuffer_Release(&dst);
    PyBuffer_Release(&src);
    return failed ? NULL : PyLong_FromSsize_t(written);
}

static PyMethodDef hex_methods[] = {
    {"encode", hex_encode, METH_O, NULL},
    {"decode", hex_decode, METH_O, NULL},
    {"encode_into", (PyCFunction)(void (*)(void))hex_encode_into, METH_FASTCALL, NULL},
    {"decode_into", (PyCFunction)(void (*)(void))hex_decode_into, METH_FASTCALL, NULL},
};

/* (name, encode, decode, encode_into, decode_into) */
static PyObject *hex_functions(const struct fcm_hex *hex)
{
    PyObject *self = PyCapsule_New((void *)hex, NULL, NULL);
    if (!self) return NULL;
    PyObject *functions =
        Py_BuildValue("sNNNN", hex->name, PyCFunction_NewEx(&hex_methods[0], self, NULL),
                      PyCFunction_NewEx(&hex_methods[1], self, NULL), PyCFunction_NewEx(&hex_methods[2], self, NULL),
                      PyCFunction_NewEx(&hex_methods[3], self, NULL));
    Py_DECREF(self);
    return functions;
}

static PyObject *hex_all(void)
{
    PyObject *all = PyList_New(0);
    for (const struct fcm_hex *const *hex = fcm_hex_list(); all && *hex; hex++) {
        PyObject *functions = hex_functions(*hex);
        if (!functions || PyList_Append(all, functions) != 0) Py_CLEAR(all);
        Py_XDECREF(functions);
    }
    return all;
}

/* Called once through cffi, whose generated module has no place for functions of another kind. */
static void fcm_hex_install(void)
{
    PyGILState_STATE state = PyGILState_Ensure();
    PyObject *module = PyImport_ImportModule("fcm360w._core"), *all = hex_all();
    if (!module || !all || PyModule_AddObjectRef(module, "hex_codecs", all) != 0) PyErr_WriteUnraisable(NULL);
    Py_XDECREF(all);
    Py_XDECREF(module);
    PyGILState_Release(state);
}

#endif
