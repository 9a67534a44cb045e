/* Records what a process does to the files below one directory, in the order in which the kernel is told: for simulated power cuts
 * (tests/it/powercut.rs). Preloaded into the process; speaks to nobody else.
 *
 *   POWERCUT_BELOW  the directory; names in the record are relative to it
 *   POWERCUT_RECORD the file that takes the record
 *
 * An entry is a line "<what> <thread> <number> <offset> <size> <name>" and, after it, <size> bytes (for a write its data, for a rename the
 * new name). A sync has two entries, as it begins and as it has returned, which share their number: only what was written before the first
 * of them is on disk at the second. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

static char below[1024];
static size_t below_length;
static int record = -1;
static pthread_mutex_t turn = PTHREAD_MUTEX_INITIALIZER;
static atomic_ulong numbers = 1;

#define REAL(name) \
    static __typeof__(name) *real; \
    if (!real) real = (__typeof__(name) *)dlsym(RTLD_NEXT, #name)

__attribute__((constructor)) static void begin(void) {
    const char *directory = getenv("POWERCUT_BELOW"), *path = getenv("POWERCUT_RECORD");
    if (!directory || !path || strlen(directory) >= sizeof below) return;
    strcpy(below, directory);
    below_length = strlen(below);
    record = (int)syscall(SYS_openat, AT_FDCWD, path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
}

/* The part of the path that is below the directory; none: it is elsewhere. The directory itself is ".". */
static const char *inside(const char *path) {
    if (record < 0 || strncmp(path, below, below_length) != 0) return NULL;
    if (path[below_length] == 0) return ".";
    return path[below_length] == '/' ? path + below_length + 1 : NULL;
}

static const char *name_of(int fd, char *room, size_t size) {
    if (record < 0 || fd == record) return NULL;
    char link[64];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    long length = syscall(SYS_readlinkat, AT_FDCWD, link, room, size - 1);
    if (length < 0) return NULL;
    room[length] = 0;
    return inside(room);
}

static void put(const void *data, size_t size) {
    const char *from = data;
    while (size > 0) {
        long done = syscall(SYS_write, record, from, size);
        if (done < 0 && errno == EINTR) continue;
        if (done <= 0) abort();
        from += done;
        size -= (size_t)done;
    }
}

static void entry(const char *what, unsigned long number, long offset, const void *data, size_t size, const char *name) {
    int before = errno;
    char thread[17] = "?", line[1400];
    prctl(PR_GET_NAME, thread);
    for (char *c = thread; *c; c++) if (*c == ' ') *c = '_';
    int length = snprintf(line, sizeof line, "%s %s %lu %ld %zu %s\n", what, thread, number, offset, size, name);
    pthread_mutex_lock(&turn);
    put(line, (size_t)length);
    if (size > 0) put(data, size);
    pthread_mutex_unlock(&turn);
    errno = before;
}

ssize_t pwrite64(int fd, const void *data, size_t size, off64_t offset) {
    REAL(pwrite64);
    char room[1200];
    const char *name = name_of(fd, room, sizeof room);
    if (name) entry("write", 0, offset, data, size, name);
    return real(fd, data, size, offset);
}

ssize_t pwrite(int fd, const void *data, size_t size, off_t offset) { return pwrite64(fd, data, size, offset); }

ssize_t write(int fd, const void *data, size_t size) {
    REAL(write);
    char room[1200];
    const char *name = name_of(fd, room, sizeof room);
    if (name) {
        struct stat found;
        long flags = syscall(SYS_fcntl, fd, F_GETFL);
        long offset = (flags & O_APPEND) && fstat(fd, &found) == 0 ? found.st_size : lseek(fd, 0, SEEK_CUR);
        entry("write", 0, offset, data, size, name);
    }
    return real(fd, data, size);
}

int ftruncate64(int fd, off64_t size) {
    REAL(ftruncate64);
    char room[1200];
    const char *name = name_of(fd, room, sizeof room);
    if (name) entry("resize", 0, size, NULL, 0, name);
    return real(fd, size);
}

int ftruncate(int fd, off_t size) { return ftruncate64(fd, size); }

#define SYNC(function, begins, ends, arguments, ...) \
    REAL(function); \
    char room[1200]; \
    const char *name = name_of(fd, room, sizeof room); \
    unsigned long number = name ? atomic_fetch_add(&numbers, 1) : 0; \
    if (name) entry(begins, number, 0, NULL, 0, name); \
    int done = real arguments; \
    if (name && done == 0) entry(ends, number, 0, NULL, 0, name); \
    return done

int fsync(int fd) { SYNC(fsync, "sync", "synced", (fd)); }
int fdatasync(int fd) { SYNC(fdatasync, "sync", "synced", (fd)); }
int sync_file_range(int fd, off64_t from, off64_t size, unsigned flags) {
    SYNC(sync_file_range, "push", "pushed", (fd, from, size, flags));
}

int rename(const char *from, const char *to) {
    REAL(rename);
    const char *old = inside(from), *new = inside(to);
    if (old && new) entry("rename", 0, 0, new, strlen(new), old);
    return real(from, to);
}

int unlink(const char *path) {
    REAL(unlink);
    const char *name = inside(path);
    if (name) entry("unlink", 0, 0, NULL, 0, name);
    return real(path);
}

int mkdir(const char *path, mode_t mode) {
    REAL(mkdir);
    const char *name = inside(path);
    if (name) entry("mkdir", 0, 0, NULL, 0, name);
    return real(path, mode);
}

int open64(const char *path, int flags, ...) {
    REAL(open64);
    mode_t mode = 0;
    if (flags & (O_CREAT | O_TMPFILE)) {
        va_list more;
        va_start(more, flags);
        mode = va_arg(more, mode_t);
        va_end(more);
    }
    const char *name = flags & (O_CREAT | O_TRUNC) ? inside(path) : NULL;
    if (name) entry(flags & O_TRUNC ? "empty" : "make", 0, 0, NULL, 0, name);
    return real(path, flags, mode);
}

int open(const char *path, int flags, ...) {
    mode_t mode = 0;
    if (flags & (O_CREAT | O_TMPFILE)) {
        va_list more;
        va_start(more, flags);
        mode = va_arg(more, mode_t);
        va_end(more);
    }
    return open64(path, flags, mode);
}
