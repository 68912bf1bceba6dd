/* A disk that fails at its n-th operation: loaded before libc (LD_PRELOAD), armed from inside by fault_arm().
 *
 * Counts what a process does to files under one directory: open, read, write, truncate, sync, rename, unlink. At the
 * n-th it fails as told, once or from then on. Reads and writes of everything else pass by untouched. glibc, Linux.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { PASS, EIO_KIND, ENOSPC_KIND, TORN, KILL };

static char under[4096];
static long count, target;
static int kind, lasting;

/* Begin to count what happens under `directory`; at operation `nth` (1 is the first, 0 never) do as `what` says. */
void fault_arm(const char *directory, long nth, int what, int for_good) {
    snprintf(under, sizeof under, "%s", directory);
    count = 0; target = nth; kind = what; lasting = for_good;
}

long fault_count(void) { return count; }

static int here(const char *path) {
    size_t length = strlen(under);
    return length && path && strncmp(path, under, length) == 0;
}

static int ours(int fd) {
    char link[64], path[4096];
    if (!under[0]) return 0;
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = readlink(link, path, sizeof path - 1);
    if (length < 0) return 0;
    path[length] = 0;
    return here(path);
}

/* Say what becomes of one more operation. Two threads of ours never touch the disk at once, so no lock. */
static int next(void) {
    long n = __sync_add_and_fetch(&count, 1);
    return target && (n == target || (lasting && n > target)) ? kind : PASS;
}

static int fails(int what) {
    if (what == KILL) kill(getpid(), SIGKILL);
    errno = what == ENOSPC_KIND ? ENOSPC : EIO;
    return -1;
}

#define REAL(name) static __typeof__(name) *real; if (!real) real = (__typeof__(name) *)dlsym(RTLD_NEXT, #name)

#define WRITES(name, offset_t)                                                             \
    ssize_t name(int fd, const void *data, size_t size, offset_t at) {                     \
        REAL(name);                                                                        \
        if (!ours(fd)) return real(fd, data, size, at);                                    \
        int what = next();                                                                 \
        if (what == PASS) return real(fd, data, size, at);                                 \
        if (what == TORN || what == KILL) { if (real(fd, data, size / 2, at) < 0) { } }    \
        return fails(what);                                                                \
    }
WRITES(pwrite, off_t)
WRITES(pwrite64, off64_t)

ssize_t write(int fd, const void *data, size_t size) {
    REAL(write);
    if (!ours(fd)) return real(fd, data, size);
    int what = next();
    if (what == PASS) return real(fd, data, size);
    if (what == TORN || what == KILL) { if (real(fd, data, size / 2) < 0) { } }
    return fails(what);
}

#define READS(name, offset_t)                                                              \
    ssize_t name(int fd, void *data, size_t size, offset_t at) {                           \
        REAL(name);                                                                        \
        if (!ours(fd)) return real(fd, data, size, at);                                    \
        int what = next();                                                                 \
        return what == PASS || what == ENOSPC_KIND ? real(fd, data, size, at) : fails(what); \
    }
READS(pread, off_t)
READS(pread64, off64_t)

ssize_t read(int fd, void *data, size_t size) {
    REAL(read);
    if (!ours(fd)) return real(fd, data, size);
    int what = next();
    return what == PASS || what == ENOSPC_KIND ? real(fd, data, size) : fails(what);
}

#define ON_FD(name, parameters, ...)                                                       \
    int name parameters {                                                                  \
        REAL(name);                                                                        \
        if (!ours(fd)) return real(__VA_ARGS__);                                           \
        int what = next();                                                                 \
        return what == PASS ? real(__VA_ARGS__) : fails(what);                             \
    }
ON_FD(fsync, (int fd), fd)
ON_FD(fdatasync, (int fd), fd)
ON_FD(ftruncate, (int fd, off_t size), fd, size)
ON_FD(ftruncate64, (int fd, off64_t size), fd, size)

#define ON_PATH(name, parameters, ...)                                                     \
    int name parameters {                                                                  \
        REAL(name);                                                                        \
        if (!here(path)) return real(__VA_ARGS__);                                         \
        int what = next();                                                                 \
        return what == PASS ? real(__VA_ARGS__) : fails(what);                             \
    }
ON_PATH(unlink, (const char *path), path)
ON_PATH(rename, (const char *path, const char *to), path, to)

#define OPENS(name)                                                                        \
    int name(const char *path, int flags, ...) {                                           \
        REAL(name);                                                                        \
        va_list rest;                                                                      \
        va_start(rest, flags);                                                             \
        mode_t mode = flags & (O_CREAT | O_TMPFILE) ? va_arg(rest, mode_t) : 0;            \
        va_end(rest);                                                                      \
        int what = here(path) ? next() : PASS;                                             \
        return what == PASS ? real(path, flags, mode) : fails(what);                       \
    }
OPENS(open)
OPENS(open64)
