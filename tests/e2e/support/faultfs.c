/*
 * faultfs: a disk that can be counted, slowed, filled, broken and cut off.
 *
 * Loaded with LD_PRELOAD, it stands between a process and the kernel and acts
 * on the regular files and directories below FAULTFS_ROOT. Two files in
 * FAULTFS_DIR, both made by faultfs.rs, are shared with the test:
 *
 *   control   the words of `struct control`: the test writes the settings at
 *             any time, the library writes the rest
 *   journal   every change below the root with what stood there before, so
 *             that the test can take back what was not synced
 *
 * Both are mapped, not written: a record counts from the moment the tail
 * moves past it, so a SIGKILL never leaves half of one. They outlive the
 * process; the next one with the same FAULTFS_DIR goes on where it ended.
 *
 * What it does not see: stores into mapped files (SQLite's -shm, which means
 * nothing after a crash, and is therefore left alone), O_TRUNC, and calls
 * that do not go through libc. SQLite and std change their files otherwise.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

typedef _Atomic uint64_t word;

/* Which files a setting is about. Keep in step with faultfs.rs. */
enum { ANY_FILE = 0, WAL_FILE = 1, OTHER_FILE = 2 };
enum { NEVER = 0, BEFORE_WRITE = 1, AFTER_WRITE = 2, BEFORE_SYNC = 3, AFTER_SYNC = 4 };
enum {
    WRITE = 1,       /* length bytes at offset became the after-image */
    RESIZE = 2,      /* the size became offset */
    SYNCED = 3,      /* all up to number offset is on disk */
    SYNC_FAILED = 4, /* all up to number offset may never get there */
    UNLINK = 5,      /* the file is gone */
    RENAME = 6,      /* the file has another name: path */
    FELL_SHORT = 7,  /* of number offset only length bytes happened */
};

struct control {
    /* settings */
    word journal_on;
    word sync_delay_ms;
    word sync_fail_errno; /* 0: none fails */
    word sync_fail_after; /* so many pass first */
    word sync_fail_times; /* then so many fail */
    word sync_fail_file;
    word disk_full; /* 1: no file grows */
    word kill_moment;
    word kill_after; /* so many such moments pass first */
    word kill_file;
    word settings_spare[6];
    /* counters */
    word syncs_begun;
    word syncs_done;
    word wal_syncs_begun;
    word wal_syncs_done;
    word syncs_failed;
    word writes;
    word bytes;
    word writes_refused;
    /* the journal */
    word number; /* of the last record */
    word tail;   /* where the next record goes */
};

struct record {
    uint64_t size; /* of the whole record, a multiple of 8 */
    uint64_t kind;
    uint64_t number;
    uint64_t dev;
    uint64_t ino;
    uint64_t offset;
    uint64_t length;
    uint64_t size_before; /* of the file */
    uint64_t path_len;    /* then come the path, */
    uint64_t before_len;  /* the before-image, */
    uint64_t after_len;   /* and the after-image */
};

struct target {
    uint64_t dev, ino, size;
    int is_wal, is_file;
    char path[PATH_MAX];
};

static struct control *control; /* NULL: the library only passes on */
static char *journal;
static uint64_t journal_capacity;
static int lock_fd = -1;
static char root[PATH_MAX];
static size_t root_len;
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;

static void die(const char *why) {
    dprintf(2, "faultfs: %s: %s\n", why, strerror(errno));
    abort();
}

static void *map_file(const char *dir, const char *name, uint64_t *len) {
    char path[PATH_MAX];
    struct stat st;
    snprintf(path, sizeof path, "%s/%s", dir, name);
    int fd = open(path, O_RDWR | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &st) != 0) die(path);
    void *at = mmap(NULL, st.st_size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (at == MAP_FAILED) die(path);
    syscall(SYS_close, fd);
    *len = st.st_size;
    return at;
}

__attribute__((constructor)) static void start(void) {
    const char *dir = getenv("FAULTFS_DIR"), *below = getenv("FAULTFS_ROOT");
    char path[PATH_MAX];
    uint64_t control_len;
    if (!dir || !below) return;
    if (!realpath(below, root)) die(below);
    root_len = strlen(root);
    snprintf(path, sizeof path, "%s/lock", dir);
    lock_fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (lock_fd < 0) die(path);
    journal = map_file(dir, "journal", &journal_capacity);
    struct control *shared = map_file(dir, "control", &control_len);
    if (control_len < sizeof *shared) die("the control file is too short");
    control = shared;
}

/* Threads wait on the mutex, other processes on the file lock, which a killed
 * process gives back by itself. */
static void lock(void) {
    pthread_mutex_lock(&mutex);
    while (syscall(SYS_flock, lock_fd, LOCK_EX) != 0)
        if (errno != EINTR) die("lock");
}

static void unlock(void) {
    syscall(SYS_flock, lock_fd, LOCK_UN);
    pthread_mutex_unlock(&mutex);
}

static int ends_in(const char *path, const char *suffix) {
    size_t a = strlen(path), b = strlen(suffix);
    return a >= b && strcmp(path + a - b, suffix) == 0;
}

static int is_below_root(const char *path) {
    return strncmp(path, root, root_len) == 0 && (path[root_len] == '/' || path[root_len] == 0) &&
           !ends_in(path, "-shm");
}

/* Looks the descriptor up afresh each time: a cache would have to follow every
 * close and dup, and a readlink costs a microsecond. */
static int is_watched(int fd, struct target *target) {
    char link[64];
    struct stat st;
    int saved = errno, yes = 0;
    if (control) {
        snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
        ssize_t n = readlink(link, target->path, sizeof target->path - 1);
        if (n > 0) {
            target->path[n] = 0;
            yes = is_below_root(target->path) && fstat(fd, &st) == 0 &&
                  (S_ISREG(st.st_mode) || S_ISDIR(st.st_mode));
        }
    }
    if (yes) {
        target->dev = st.st_dev;
        target->ino = st.st_ino;
        target->size = st.st_size;
        target->is_file = S_ISREG(st.st_mode);
        target->is_wal = ends_in(target->path, "-wal");
    }
    errno = saved;
    return yes;
}

static int concerns(uint64_t which, const struct target *target) {
    return which == ANY_FILE || (which == WAL_FILE) == target->is_wal;
}

/* Dies here, as from outside, if the test asked for this moment. */
static void moment(uint64_t now, const struct target *target) {
    if (control->kill_moment != now || !concerns(control->kill_file, target)) return;
    lock();
    if (control->kill_after == 0) {
        syscall(SYS_kill, getpid(), SIGKILL);
        for (;;) pause();
    }
    control->kill_after--;
    unlock();
}

/* Appends a record, with the lock held. Both images are copied by the caller
 * through the pointers it gets; `commit` then makes the record count. */
static struct record *append(uint64_t kind, const struct target *target, uint64_t path_len,
                             uint64_t before_len, uint64_t after_len, char **before, char **after) {
    uint64_t size = (sizeof(struct record) + path_len + before_len + after_len + 7) & ~7ull;
    if (control->tail + size > journal_capacity) {
        errno = ENOSPC;
        die("the journal is full");
    }
    struct record *record = (struct record *)(journal + control->tail);
    *record = (struct record){
        .size = size, .kind = kind, .number = control->number + 1, .dev = target->dev,
        .ino = target->ino, .size_before = target->size, .path_len = path_len,
        .before_len = before_len, .after_len = after_len,
    };
    char *path = (char *)(record + 1);
    memcpy(path, target->path, path_len);
    if (before) *before = path + path_len;
    if (after) *after = path + path_len + before_len;
    return record;
}

static void commit(struct record *record) {
    control->number = record->number;
    control->tail += record->size;
}

/* A record that is about another record, or about all up to one. */
static void note(uint64_t kind, const struct target *target, uint64_t number, uint64_t length) {
    if (!control->journal_on) return;
    struct record *record = append(kind, target, strlen(target->path), 0, 0, NULL, NULL);
    record->offset = number;
    record->length = length;
    commit(record);
}

static void read_before(int fd, char *into, uint64_t length, uint64_t offset) {
    char by_path[64];
    uint64_t got = 0;
    int reader = fd;
    if ((fcntl(fd, F_GETFL) & O_ACCMODE) == O_WRONLY) {
        snprintf(by_path, sizeof by_path, "/proc/self/fd/%d", fd);
        reader = open(by_path, O_RDONLY | O_CLOEXEC);
        if (reader < 0) die("open for the before-image");
    }
    while (got < length) {
        ssize_t n = pread(reader, into + got, length - got, offset + got);
        if (n <= 0) die("read the before-image");
        got += n;
    }
    if (reader != fd) syscall(SYS_close, reader);
}

/* Returns the record's number, 0 if none is kept. */
static uint64_t journal_write(int fd, const struct target *target, const struct iovec *iov, int count,
                              uint64_t offset, uint64_t length) {
    if (!control->journal_on) return 0;
    uint64_t end = offset + length, before_len = 0;
    char *before, *after;
    if (offset < target->size) before_len = (end < target->size ? end : target->size) - offset;
    struct record *record =
        append(WRITE, target, strlen(target->path), before_len, length, &before, &after);
    record->offset = offset;
    record->length = length;
    read_before(fd, before, before_len, offset);
    for (int i = 0; i < count; i++) {
        memcpy(after, iov[i].iov_base, iov[i].iov_len);
        after += iov[i].iov_len;
    }
    commit(record);
    return record->number;
}

static uint64_t journal_resize(int fd, const struct target *target, uint64_t size) {
    if (!control->journal_on) return 0;
    uint64_t before_len = size < target->size ? target->size - size : 0;
    char *before;
    struct record *record = append(RESIZE, target, strlen(target->path), before_len, 0, &before, NULL);
    record->offset = size;
    read_before(fd, before, before_len, size);
    commit(record);
    return record->number;
}

/* Every write ends here. `offset` < 0: at the descriptor's own position. */
static ssize_t watched_write(int fd, struct target *target, const struct iovec *iov, int count,
                             off_t offset) {
    uint64_t length = 0, at;
    for (int i = 0; i < count; i++) length += iov[i].iov_len;
    moment(BEFORE_WRITE, target);
    lock();
    struct stat st;
    if (fstat(fd, &st) != 0) die("fstat"); /* the size, now that nobody else changes it */
    target->size = st.st_size;
    if (offset >= 0)
        at = offset;
    else if (fcntl(fd, F_GETFL) & O_APPEND)
        at = target->size;
    else
        at = lseek(fd, 0, SEEK_CUR);
    if (control->disk_full && at + length > target->size) {
        control->writes_refused++;
        unlock();
        errno = ENOSPC;
        return -1;
    }
    uint64_t number = journal_write(fd, target, iov, count, at, length);
    ssize_t done = offset >= 0 ? syscall(SYS_pwritev, fd, iov, count, offset, 0)
                               : syscall(SYS_writev, fd, iov, count);
    int saved = errno;
    if (number && done != (ssize_t)length) note(FELL_SHORT, target, number, done < 0 ? 0 : done);
    control->writes++;
    if (done > 0) control->bytes += done;
    unlock();
    moment(AFTER_WRITE, target);
    errno = saved;
    return done;
}

static int watched_sync(int fd, const struct target *target, long call) {
    control->syncs_begun++;
    if (target->is_wal) control->wal_syncs_begun++;
    moment(BEFORE_SYNC, target);
    uint64_t delay = control->sync_delay_ms;
    struct timespec left = {.tv_sec = delay / 1000, .tv_nsec = delay % 1000 * 1000000};
    while (delay && nanosleep(&left, &left) != 0 && errno == EINTR) {
    }
    lock();
    uint64_t up_to = control->number, error = 0; /* a write during the sync is not covered by it */
    if (control->sync_fail_errno && concerns(control->sync_fail_file, target)) {
        if (control->sync_fail_after > 0)
            control->sync_fail_after--;
        else if (control->sync_fail_times > 0) {
            control->sync_fail_times--;
            control->syncs_failed++;
            error = control->sync_fail_errno;
            note(SYNC_FAILED, target, up_to, 0);
        }
    }
    unlock();
    if (error) {
        errno = error;
        return -1;
    }
    int result = syscall(call, fd), saved = errno;
    lock();
    note(result == 0 ? SYNCED : SYNC_FAILED, target, up_to, 0);
    unlock();
    if (result == 0) {
        control->syncs_done++;
        if (target->is_wal) control->wal_syncs_done++;
    }
    moment(AFTER_SYNC, target);
    errno = saved;
    return result;
}

static int watched_resize(int fd, struct target *target, uint64_t size) {
    moment(BEFORE_WRITE, target);
    lock();
    struct stat st;
    if (fstat(fd, &st) != 0) die("fstat");
    target->size = st.st_size;
    uint64_t number = journal_resize(fd, target, size);
    int result = syscall(SYS_ftruncate, fd, size), saved = errno;
    if (number && result != 0) note(FELL_SHORT, target, number, 0);
    unlock();
    moment(AFTER_WRITE, target);
    errno = saved;
    return result;
}

/* Returns an error number, as posix_fallocate does. */
static int watched_allocate(int fd, struct target *target, int mode, off_t offset, off_t length) {
    uint64_t end = offset + length;
    if (mode != 0 && mode != FALLOC_FL_KEEP_SIZE) {
        errno = ENOTSUP;
        die("fallocate with a mode that this library cannot undo");
    }
    if (control->disk_full && end > target->size) {
        control->writes_refused++;
        return ENOSPC;
    }
    if (mode == FALLOC_FL_KEEP_SIZE || end <= target->size) return 0;
    return watched_resize(fd, target, end) == 0 ? 0 : errno;
}

/* ------------------------------------------------------------------------ */
/* The calls themselves.                                                     */

ssize_t write(int fd, const void *bytes, size_t length) {
    struct target target;
    struct iovec iov = {(void *)bytes, length};
    if (!is_watched(fd, &target)) return syscall(SYS_write, fd, bytes, length);
    return watched_write(fd, &target, &iov, 1, -1);
}

ssize_t pwrite64(int fd, const void *bytes, size_t length, off64_t offset) {
    struct target target;
    struct iovec iov = {(void *)bytes, length};
    if (offset < 0 || !is_watched(fd, &target)) return syscall(SYS_pwrite64, fd, bytes, length, offset);
    return watched_write(fd, &target, &iov, 1, offset);
}

ssize_t pwrite(int fd, const void *bytes, size_t length, off_t offset) {
    return pwrite64(fd, bytes, length, offset);
}

ssize_t writev(int fd, const struct iovec *iov, int count) {
    struct target target;
    if (!is_watched(fd, &target)) return syscall(SYS_writev, fd, iov, count);
    return watched_write(fd, &target, iov, count, -1);
}

ssize_t pwritev64(int fd, const struct iovec *iov, int count, off64_t offset) {
    struct target target;
    if (offset < 0 || !is_watched(fd, &target)) return syscall(SYS_pwritev, fd, iov, count, offset, 0);
    return watched_write(fd, &target, iov, count, offset);
}

ssize_t pwritev(int fd, const struct iovec *iov, int count, off_t offset) {
    return pwritev64(fd, iov, count, offset);
}

int ftruncate64(int fd, off64_t size) {
    struct target target;
    if (size < 0 || !is_watched(fd, &target)) return syscall(SYS_ftruncate, fd, size);
    return watched_resize(fd, &target, size);
}

int ftruncate(int fd, off_t size) { return ftruncate64(fd, size); }

int fallocate64(int fd, int mode, off64_t offset, off64_t length) {
    struct target target;
    if (!is_watched(fd, &target)) return syscall(SYS_fallocate, fd, mode, offset, length);
    int error = watched_allocate(fd, &target, mode, offset, length);
    if (error) errno = error;
    return error ? -1 : 0;
}

int fallocate(int fd, int mode, off_t offset, off_t length) {
    return fallocate64(fd, mode, offset, length);
}

int posix_fallocate64(int fd, off64_t offset, off64_t length) {
    struct target target;
    if (!is_watched(fd, &target))
        return syscall(SYS_fallocate, fd, 0, offset, length) == 0 ? 0 : errno;
    return watched_allocate(fd, &target, 0, offset, length);
}

int posix_fallocate(int fd, off_t offset, off_t length) { return posix_fallocate64(fd, offset, length); }

int fsync(int fd) {
    struct target target;
    if (!is_watched(fd, &target)) return syscall(SYS_fsync, fd);
    return watched_sync(fd, &target, SYS_fsync);
}

int fdatasync(int fd) {
    struct target target;
    if (!is_watched(fd, &target)) return syscall(SYS_fdatasync, fd);
    return watched_sync(fd, &target, SYS_fdatasync);
}

/* Whether a name leads to a file below the root, by its last link. */
static int is_watched_name(int dir_fd, const char *name, struct target *target) {
    struct stat st;
    char path[PATH_MAX];
    int saved = errno, yes = 0;
    if (control && control->journal_on) {
        if (dir_fd == AT_FDCWD || name[0] == '/')
            snprintf(path, sizeof path, "%s", name);
        else
            snprintf(path, sizeof path, "/proc/self/fd/%d/%s", dir_fd, name);
        yes = realpath(path, target->path) && is_below_root(target->path) &&
              lstat(target->path, &st) == 0 && S_ISREG(st.st_mode) && st.st_nlink == 1;
    }
    if (yes) {
        target->dev = st.st_dev;
        target->ino = st.st_ino;
        target->size = st.st_size;
    }
    errno = saved;
    return yes;
}

int unlinkat(int dir_fd, const char *name, int flags) {
    struct target target;
    int watched = is_watched_name(dir_fd, name, &target);
    int result = syscall(SYS_unlinkat, dir_fd, name, flags);
    if (result == 0 && watched) {
        lock();
        note(UNLINK, &target, 0, 0);
        unlock();
    }
    return result;
}

int unlink(const char *name) { return unlinkat(AT_FDCWD, name, 0); }

int renameat2(int from_fd, const char *from, int to_fd, const char *to, unsigned flags) {
    struct target moved, replaced;
    int watched = is_watched_name(from_fd, from, &moved);
    int replaces = is_watched_name(to_fd, to, &replaced);
    int result = syscall(SYS_renameat2, from_fd, from, to_fd, to, flags), saved = errno;
    if (result == 0 && (watched || replaces)) {
        if (flags & RENAME_EXCHANGE) die("an exchange of names, which this library cannot follow");
        lock();
        if (replaces) note(UNLINK, &replaced, 0, 0);
        /* The record is about the same inode under the name it has now. */
        if (watched && is_watched_name(to_fd, to, &moved)) note(RENAME, &moved, 0, 0);
        unlock();
    }
    errno = saved;
    return result;
}

int renameat(int from_fd, const char *from, int to_fd, const char *to) {
    return renameat2(from_fd, from, to_fd, to, 0);
}

int rename(const char *from, const char *to) { return renameat2(AT_FDCWD, from, AT_FDCWD, to, 0); }
