/* Fails the n-th change of a file in one folder: loaded before libc by LD_PRELOAD, armed through ctypes.

   Counted are the calls that change a file under the folder: open for writing, write, pwrite, writev, sendfile,
   copy_file_range, fsync, fdatasync, ftruncate, fallocate, rename, unlink and mkdir. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <unistd.h>

enum { NOTHING, FULL, IO, TORN };
enum { FDS = 65536 };

static char folder[PATH_MAX];
static _Atomic unsigned char watched[FDS];
static atomic_long calls;
static long failing;
static int kind;
static char told[PATH_MAX + 100];

/* Counts from now on; the n-th call fails, none if n is 0. */
void fault_arm(const char *under, long n, int how) {
    snprintf(folder, sizeof folder, "%s", under);
    failing = n;
    kind = how;
    atomic_store(&calls, 0);
    told[0] = 0;
}

void fault_disarm(void) { kind = NOTHING; }
long fault_calls(void) { return atomic_load(&calls); }
const char *fault_told(void) { return told; }

static int inside(const char *path) {
    size_t length = strlen(folder);
    return length && path && strncmp(path, folder, length) == 0;
}

static int is_watched(int fd) { return fd >= 0 && fd < FDS && atomic_load(&watched[fd]); }

/* Whether this call is to fail. `room`: whether a full disk refuses it; `tears`: whether half of it can be done. */
static int fails(const char *call, const char *what, int room) {
    long n = atomic_fetch_add(&calls, 1) + 1;
    if (getenv("FAULT_TRACE")) fprintf(stderr, "%ld %s %s\n", n, call, what);
    if (!kind || !failing) return 0;
    if (n == failing) {
        snprintf(told, sizeof told, "%s %s", call, what);
        if (kind == FULL && !room) return 0;
        if (getenv("FAULT_TOLD")) fprintf(stderr, "FAULT %ld %s %s\n", n, call, what);
        return 1;
    }
    return kind == FULL && n > failing && room == 2; /* a full disk stays full */
}

static int refuse(void) {
    if (kind == TORN) raise(SIGKILL);
    errno = kind == FULL ? ENOSPC : EIO;
    return -1;
}

static const char *name_of(int fd) {
    static _Thread_local char name[PATH_MAX];
    char link[64];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t size = readlink(link, name, sizeof name - 1);
    name[size > 0 ? size : 0] = 0;
    return name;
}

static int grows(int fd, off_t end) {
    struct stat found;
    return fstat(fd, &found) == 0 && end > found.st_size ? 2 : 0;
}

#define REAL(type, name, ...) \
    static type (*real)(__VA_ARGS__); \
    if (!real) real = (type (*)(__VA_ARGS__))dlsym(RTLD_NEXT, name)

static int opened(int fd, const char *path, int flags) {
    if (fd >= 0 && fd < FDS)
        atomic_store(&watched[fd], inside(path) && (flags & O_ACCMODE) != O_RDONLY);
    return fd;
}

static int begins(const char *path, int flags) {
    if (!inside(path) || (flags & O_ACCMODE) == O_RDONLY) return 0;
    struct stat found;
    int new = (flags & O_CREAT) && stat(path, &found) != 0;
    return fails("open", path, new ? 2 : 0);
}

#define OPEN(name) \
    int name(const char *path, int flags, ...) { \
        va_list rest; va_start(rest, flags); mode_t mode = va_arg(rest, mode_t); va_end(rest); \
        REAL(int, #name, const char *, int, ...); \
        if (begins(path, flags)) return refuse(); \
        return opened(real(path, flags, mode), path, flags); \
    }
OPEN(open)
OPEN(open64)

#define OPENAT(name) \
    int name(int at, const char *path, int flags, ...) { \
        va_list rest; va_start(rest, flags); mode_t mode = va_arg(rest, mode_t); va_end(rest); \
        REAL(int, #name, int, const char *, int, ...); \
        if (begins(path, flags)) return refuse(); \
        return opened(real(at, path, flags, mode), path, flags); \
    }
OPENAT(openat)
OPENAT(openat64)

int close(int fd) {
    REAL(int, "close", int);
    if (fd >= 0 && fd < FDS) atomic_store(&watched[fd], 0);
    return real(fd);
}

ssize_t write(int fd, const void *data, size_t size) {
    REAL(ssize_t, "write", int, const void *, size_t);
    if (is_watched(fd) && fails("write", name_of(fd), 2)) {
        if (kind == TORN) real(fd, data, size / 2);
        return refuse();
    }
    return real(fd, data, size);
}

#define PWRITE(name, offset) \
    ssize_t name(int fd, const void *data, size_t size, offset at) { \
        REAL(ssize_t, #name, int, const void *, size_t, offset); \
        if (is_watched(fd) && fails("pwrite", name_of(fd), grows(fd, at + (off_t)size))) { \
            if (kind == TORN) real(fd, data, size / 2, at); \
            return refuse(); \
        } \
        return real(fd, data, size, at); \
    }
PWRITE(pwrite, off_t)
PWRITE(pwrite64, off64_t)

ssize_t writev(int fd, const struct iovec *parts, int count) {
    REAL(ssize_t, "writev", int, const struct iovec *, int);
    if (is_watched(fd) && fails("writev", name_of(fd), 2)) {
        if (kind == TORN) real(fd, parts, count / 2);
        return refuse();
    }
    return real(fd, parts, count);
}

#define SENDFILE(name, offset) \
    ssize_t name(int to, int from, offset *at, size_t size) { \
        REAL(ssize_t, #name, int, int, offset *, size_t); \
        if (is_watched(to) && fails("sendfile", name_of(to), 2)) { \
            if (kind == TORN) real(to, from, at, size / 2); \
            return refuse(); \
        } \
        return real(to, from, at, size); \
    }
SENDFILE(sendfile, off_t)
SENDFILE(sendfile64, off64_t)

ssize_t copy_file_range(int from, off64_t *a, int to, off64_t *b, size_t size, unsigned flags) {
    REAL(ssize_t, "copy_file_range", int, off64_t *, int, off64_t *, size_t, unsigned);
    if (is_watched(to) && fails("copy_file_range", name_of(to), 2)) return refuse();
    return real(from, a, to, b, size, flags);
}

#define SYNC(name) \
    int name(int fd) { \
        REAL(int, #name, int); \
        if (is_watched(fd) && fails(#name, name_of(fd), 1)) return refuse(); \
        return real(fd); \
    }
SYNC(fsync)
SYNC(fdatasync)

#define TRUNCATE(name, offset) \
    int name(int fd, offset size) { \
        REAL(int, #name, int, offset); \
        if (is_watched(fd) && fails("ftruncate", name_of(fd), grows(fd, size))) return refuse(); \
        return real(fd, size); \
    }
TRUNCATE(ftruncate, off_t)
TRUNCATE(ftruncate64, off64_t)

#define FALLOCATE(name, offset) \
    int name(int fd, int mode, offset at, offset size) { \
        REAL(int, #name, int, int, offset, offset); \
        if (is_watched(fd) && fails("fallocate", name_of(fd), mode & FALLOC_FL_PUNCH_HOLE ? 0 : 2)) return refuse(); \
        return real(fd, mode, at, size); \
    }
FALLOCATE(fallocate, off_t)
FALLOCATE(fallocate64, off64_t)

#define POSIX_FALLOCATE(name, offset) \
    int name(int fd, offset at, offset size) { \
        REAL(int, #name, int, offset, offset); \
        if (is_watched(fd) && fails("posix_fallocate", name_of(fd), 2)) { refuse(); return errno; } \
        return real(fd, at, size); \
    }
POSIX_FALLOCATE(posix_fallocate, off_t)
POSIX_FALLOCATE(posix_fallocate64, off64_t)

int rename(const char *from, const char *to) {
    REAL(int, "rename", const char *, const char *);
    if (inside(to) && fails("rename", to, 1)) return refuse();
    return real(from, to);
}

int unlink(const char *path) {
    REAL(int, "unlink", const char *);
    if (inside(path) && fails("unlink", path, 0)) return refuse();
    return real(path);
}

int mkdir(const char *path, mode_t mode) {
    REAL(int, "mkdir", const char *, mode_t);
    if (inside(path) && fails("mkdir", path, 2)) return refuse();
    return real(path, mode);
}
