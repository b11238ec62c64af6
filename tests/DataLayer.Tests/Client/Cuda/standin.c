/* A recording stand-in of the CUDA driver and of cuFile, for tests without a GPU. It keeps the books a driver keeps (contexts, streams,
   events, allocations, locked memory), runs copies when it is told to, fails any entry point with any code, and writes each call to a log.
   What a driver would punish by a crash or by silence is a line that begins with VIOLATION. Its own interface are the standin_ functions. */
#define _GNU_SOURCE
#include <errno.h>
#include <pthread.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <unistd.h>

enum { SUCCESS = 0, INVALID_VALUE = 1, OUT_OF_MEMORY = 2, NOT_INITIALIZED = 3, INVALID_DEVICE = 101, INVALID_CONTEXT = 201,
       INVALID_HANDLE = 400, NOT_READY = 600, ALREADY_REGISTERED = 712, NOT_REGISTERED = 713 };
enum { MAX = 4096, DEVICES = 8 };
enum { CONTEXT = 1, STREAM, EVENT, ALLOCATION, REGISTRATION, FILE_HANDLE };
static const char letters[] = "?csedhf";

typedef struct { int kind, number, context, live, device; size_t bytes; void* memory; int pending; long recorded, done; } Object;
typedef struct { int is_copy, stream, event, allocation, registration; uint64_t to; const void* from; size_t bytes; } Work;

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static Object objects[MAX];
static int object_count;
static Work queue[MAX];
static int queue_head, queue_tail, held;
static int device_count = 1, mig_device = -1, initialized, retained[DEVICES], primary[DEVICES];
static char fail_name[64];
static int fail_code, fail_skip;
static char* text;
static size_t text_length, text_room;
static _Thread_local int stack[16];
static _Thread_local int depth;

static void say(const char* format, ...)
{
    char line[512];
    va_list arguments;
    va_start(arguments, format);
    int n = vsnprintf(line, sizeof line - 1, format, arguments);
    va_end(arguments);
    if (n > (int)sizeof line - 2) n = sizeof line - 2;
    line[n++] = '\n';
    if (text_length + n + 1 > text_room) text = realloc(text, text_room = (text_room + n + 1) * 2);
    memcpy(text + text_length, line, n);
    text_length += n;
    text[text_length] = 0;
}

/* Objects are named by letter and number, counted for each kind from 1: c1, s1, e1, d1 (device memory), h1 (locked host memory), f1. */
static const char* name(int index)
{
    static _Thread_local char names[4][16];
    static _Thread_local int next;
    char* result = names[next++ & 3];
    if (index <= 0) return "-";
    snprintf(result, 16, "%c%d", letters[objects[index].kind], objects[index].number);
    return result;
}

static int make(int kind, int context)
{
    int number = 1;
    for (int i = 1; i <= object_count; i++) number += objects[i].kind == kind;
    Object* made = &objects[++object_count];
    memset(made, 0, sizeof *made);
    made->kind = kind, made->number = number, made->context = context, made->live = 1;
    return object_count;
}

static int current(void) { return depth > 0 ? stack[depth - 1] : 0; }
static int is(uint64_t index, int kind) { return index > 0 && index <= (uint64_t)object_count && objects[index].kind == kind && objects[index].live; }

static int fails(const char* call)
{
    if (strcmp(fail_name, call) != 0 || fail_skip-- > 0) return 0;
    fail_name[0] = 0;
    say("%s fails with %d", call, fail_code);
    return 1;
}

/* Every entry point begins here: it locks, fails where told to, and wants a driver that was initialized and, mostly, a live context. */
#define BEGIN(call) pthread_mutex_lock(&lock); if (fails(call)) { int code_ = fail_code; pthread_mutex_unlock(&lock); return code_; }
#define END(code) do { int code_ = (code); pthread_mutex_unlock(&lock); return code_; } while (0)
#define WANT_CONTEXT(call) if (!is(current(), CONTEXT)) { say("VIOLATION %s without a current context", call); END(INVALID_CONTEXT); }
#define WANT_SAME(call, index) if (objects[index].context != current()) { say("VIOLATION %s of %s in context %s", call, name(index), name(current())); END(INVALID_CONTEXT); }
#define WANT(call, index, kind) if (!is(index, kind)) { say("VIOLATION %s of what is no live %c (%s)", call, letters[kind], name((int)(index) > object_count ? 0 : (int)(index))); END(INVALID_HANDLE); }

static void run_one(void)
{
    Work work = queue[queue_head++ % MAX];
    objects[work.stream].pending--;
    if (!work.is_copy) {
        objects[work.event].pending--;
        objects[work.event].done++;
        say("done %s", name(work.event));
    } else {
        objects[work.allocation].pending--;
        if (work.registration) objects[work.registration].pending--;
        if (!objects[work.allocation].live) say("VIOLATION %s was freed under a copy", name(work.allocation));
        else if (work.registration && !objects[work.registration].live) say("VIOLATION %s was unlocked under a copy", name(work.registration));
        else {
            struct iovec to = { (void*)(uintptr_t)work.to, work.bytes }, from = { (void*)work.from, work.bytes };
            if (process_vm_readv(getpid(), &to, 1, &from, 1, 0) != (ssize_t)work.bytes) say("VIOLATION the source of a copy is unmapped (%s)", strerror(errno));
        }
        say("copied %zu", work.bytes);
    }
    pthread_cond_broadcast(&changed);
}

static void push(Work work)
{
    queue[queue_tail++ % MAX] = work;
    objects[work.stream].pending++;
    while (!held && queue_head < queue_tail) run_one();
}

static int find(int kind, uint64_t address, size_t bytes)
{
    for (int i = 1; i <= object_count; i++) {
        uint64_t start = (uint64_t)(uintptr_t)objects[i].memory;
        if (objects[i].kind == kind && objects[i].live && address >= start && address + bytes <= start + objects[i].bytes) return i;
    }
    return 0;
}

/* ---- the stand-in's own interface ---- */
void standin_devices(int count, int mig) { device_count = count; mig_device = mig; }
void standin_hold(int hold) { pthread_mutex_lock(&lock); held = hold; while (!held && queue_head < queue_tail) run_one(); pthread_mutex_unlock(&lock); }
int standin_complete(int count)
{
    int ran = 0;
    pthread_mutex_lock(&lock);
    for (; ran < count && queue_head < queue_tail; ran++) run_one();
    pthread_mutex_unlock(&lock);
    return ran;
}
void standin_fail(const char* call, int code, int skip)
{
    pthread_mutex_lock(&lock);
    snprintf(fail_name, sizeof fail_name, "%s", call);
    fail_code = code, fail_skip = skip;
    pthread_mutex_unlock(&lock);
}
/* The log so far; the caller copies it at once. What is alive at the end is in it as "alive" lines when asked for. */
const char* standin_log(int with_alive)
{
    pthread_mutex_lock(&lock);
    for (int i = 1; with_alive && i <= object_count; i++) if (objects[i].live) say("alive %s", name(i));
    char* copy = strdup(text ? text : "");
    pthread_mutex_unlock(&lock);
    return copy;
}
void standin_free(void* memory) { free(memory); }

/* ---- the driver ---- */
int cuInit(unsigned flags) { BEGIN("cuInit"); say("cuInit %u", flags); initialized = 1; END(SUCCESS); }
int cuDeviceGetCount(int* count) { BEGIN("cuDeviceGetCount"); if (!initialized) END(NOT_INITIALIZED); *count = device_count; END(SUCCESS); }
int cuDeviceGet(int* device, int ordinal)
{
    BEGIN("cuDeviceGet");
    if (!initialized) END(NOT_INITIALIZED);
    if (ordinal < 0 || ordinal >= device_count) END(INVALID_DEVICE);
    *device = ordinal + 100; /* A handle is not its ordinal. */
    END(SUCCESS);
}
int cuDeviceGetName(char* to, int room, int device)
{
    BEGIN("cuDeviceGetName");
    if (device < 100 || device >= 100 + device_count) END(INVALID_DEVICE);
    snprintf(to, room, device - 100 == mig_device ? "Stand-in MIG 1g.%d" : "Stand-in %d", device - 100);
    END(SUCCESS);
}
int cuDeviceGetUuid_v2(unsigned char* uuid, int device)
{
    BEGIN("cuDeviceGetUuid_v2");
    if (device < 100 || device >= 100 + device_count) END(INVALID_DEVICE);
    for (int i = 0; i < 16; i++) uuid[i] = (unsigned char)((device - 99) * 16 + i);
    END(SUCCESS);
}
int cuDevicePrimaryCtxRetain(void** context, int device)
{
    BEGIN("cuDevicePrimaryCtxRetain");
    int i = device - 100;
    if (i < 0 || i >= device_count) END(INVALID_DEVICE);
    if (retained[i]++ == 0) { primary[i] = make(CONTEXT, 0); objects[primary[i]].device = i; }
    say("cuDevicePrimaryCtxRetain %d %s", i, name(primary[i]));
    *context = (void*)(uintptr_t)primary[i];
    END(SUCCESS);
}
int cuDevicePrimaryCtxRelease_v2(int device)
{
    BEGIN("cuDevicePrimaryCtxRelease_v2");
    int i = device - 100;
    if (i < 0 || i >= device_count || retained[i] == 0) { say("VIOLATION release of a context that is not retained"); END(INVALID_CONTEXT); }
    say("cuDevicePrimaryCtxRelease %d %s", i, name(primary[i]));
    if (--retained[i] == 0) {
        objects[primary[i]].live = 0;
        for (int o = 1; o <= object_count; o++)
            if (objects[o].live && objects[o].context == primary[i]) say("VIOLATION %s released before %s", name(primary[i]), name(o));
    }
    END(SUCCESS);
}
int cuCtxSetCurrent(void* context)
{
    BEGIN("cuCtxSetCurrent");
    WANT("cuCtxSetCurrent", (uintptr_t)context, CONTEXT);
    if (depth == 0) depth = 1;
    stack[depth - 1] = (int)(uintptr_t)context;
    END(SUCCESS);
}
int cuCtxPushCurrent_v2(void* context)
{
    BEGIN("cuCtxPushCurrent_v2");
    WANT("cuCtxPushCurrent", (uintptr_t)context, CONTEXT);
    if (depth == 16) { say("VIOLATION contexts pushed and not popped"); END(INVALID_VALUE); }
    stack[depth++] = (int)(uintptr_t)context;
    END(SUCCESS);
}
int cuCtxPopCurrent_v2(void** context)
{
    BEGIN("cuCtxPopCurrent_v2");
    if (depth == 0) { say("VIOLATION cuCtxPopCurrent of nothing"); END(INVALID_CONTEXT); }
    *context = (void*)(uintptr_t)stack[--depth];
    END(SUCCESS);
}
int cuMemHostRegister_v2(void* memory, size_t bytes, unsigned flags)
{
    BEGIN("cuMemHostRegister_v2");
    WANT_CONTEXT("cuMemHostRegister");
    if (memory == NULL || bytes == 0 || flags > 15) END(INVALID_VALUE);
    if (find(REGISTRATION, (uintptr_t)memory, 1)) END(ALREADY_REGISTERED);
    int made = make(REGISTRATION, current());
    objects[made].memory = memory, objects[made].bytes = bytes;
    say("cuMemHostRegister %s %zu %u", name(made), bytes, flags);
    END(SUCCESS);
}
int cuMemHostUnregister(void* memory)
{
    BEGIN("cuMemHostUnregister");
    WANT_CONTEXT("cuMemHostUnregister");
    int found = find(REGISTRATION, (uintptr_t)memory, 1);
    if (!found || objects[found].memory != memory) { say("VIOLATION cuMemHostUnregister of what is not locked"); END(NOT_REGISTERED); }
    if (objects[found].pending) say("VIOLATION cuMemHostUnregister %s under a copy", name(found));
    say("cuMemHostUnregister %s", name(found));
    objects[found].live = 0;
    END(SUCCESS);
}
int cuMemAlloc_v2(uint64_t* address, size_t bytes)
{
    BEGIN("cuMemAlloc_v2");
    WANT_CONTEXT("cuMemAlloc");
    if (bytes == 0) END(INVALID_VALUE);
    void* memory = calloc(1, bytes);
    if (memory == NULL) END(OUT_OF_MEMORY);
    int made = make(ALLOCATION, current());
    objects[made].memory = memory, objects[made].bytes = bytes;
    say("cuMemAlloc %s %zu", name(made), bytes);
    *address = (uintptr_t)memory;
    END(SUCCESS);
}
int cuMemFree_v2(uint64_t address)
{
    BEGIN("cuMemFree_v2");
    WANT_CONTEXT("cuMemFree");
    int found = find(ALLOCATION, address, 1);
    if (!found || (uintptr_t)objects[found].memory != address) { say("VIOLATION cuMemFree of what is not allocated"); END(INVALID_VALUE); }
    WANT_SAME("cuMemFree", found);
    if (objects[found].pending) say("VIOLATION cuMemFree %s under a copy", name(found));
    say("cuMemFree %s", name(found));
    objects[found].live = 0;
    if (!objects[found].pending) free(objects[found].memory);
    END(SUCCESS);
}
int cuMemcpyHtoDAsync_v2(uint64_t to, const void* from, size_t bytes, void* stream)
{
    BEGIN("cuMemcpyHtoDAsync_v2");
    WANT_CONTEXT("cuMemcpyHtoDAsync");
    WANT("cuMemcpyHtoDAsync", (uintptr_t)stream, STREAM);
    WANT_SAME("cuMemcpyHtoDAsync", (uintptr_t)stream);
    Work work = { 1, (int)(uintptr_t)stream, 0, find(ALLOCATION, to, bytes), find(REGISTRATION, (uintptr_t)from, bytes), to, from, bytes };
    if (!work.allocation) { say("VIOLATION cuMemcpyHtoDAsync to what is not allocated"); END(INVALID_VALUE); }
    objects[work.allocation].pending++;
    if (work.registration) objects[work.registration].pending++;
    say("cuMemcpyHtoDAsync %s+%zu %s %zu %s", name(work.allocation), (size_t)(to - (uintptr_t)objects[work.allocation].memory),
        work.registration ? name(work.registration) : "pageable", bytes, name((int)(uintptr_t)stream));
    push(work);
    END(SUCCESS);
}
int cuMemcpyDtoH_v2(void* to, uint64_t from, size_t bytes)
{
    BEGIN("cuMemcpyDtoH_v2");
    WANT_CONTEXT("cuMemcpyDtoH");
    int found = find(ALLOCATION, from, bytes);
    if (!found) { say("VIOLATION cuMemcpyDtoH from what is not allocated"); END(INVALID_VALUE); }
    memcpy(to, (void*)(uintptr_t)from, bytes);
    say("cuMemcpyDtoH %s %zu", name(found), bytes);
    END(SUCCESS);
}
int cuStreamCreate(void** stream, unsigned flags)
{
    BEGIN("cuStreamCreate");
    WANT_CONTEXT("cuStreamCreate");
    int made = make(STREAM, current());
    say("cuStreamCreate %s %u", name(made), flags);
    *stream = (void*)(uintptr_t)made;
    END(SUCCESS);
}
int cuStreamDestroy_v2(void* stream)
{
    BEGIN("cuStreamDestroy_v2");
    WANT_CONTEXT("cuStreamDestroy");
    WANT("cuStreamDestroy", (uintptr_t)stream, STREAM);
    if (objects[(uintptr_t)stream].pending) say("VIOLATION cuStreamDestroy %s with work in it", name((int)(uintptr_t)stream));
    say("cuStreamDestroy %s", name((int)(uintptr_t)stream));
    objects[(uintptr_t)stream].live = 0;
    END(SUCCESS);
}
int cuStreamSynchronize(void* stream)
{
    BEGIN("cuStreamSynchronize");
    WANT_CONTEXT("cuStreamSynchronize");
    WANT("cuStreamSynchronize", (uintptr_t)stream, STREAM);
    say("cuStreamSynchronize %s", name((int)(uintptr_t)stream));
    while (objects[(uintptr_t)stream].pending) pthread_cond_wait(&changed, &lock);
    END(SUCCESS);
}
int cuEventCreate(void** event, unsigned flags)
{
    BEGIN("cuEventCreate");
    WANT_CONTEXT("cuEventCreate");
    int made = make(EVENT, current());
    say("cuEventCreate %s %u", name(made), flags);
    *event = (void*)(uintptr_t)made;
    END(SUCCESS);
}
int cuEventRecord(void* event, void* stream)
{
    BEGIN("cuEventRecord");
    WANT_CONTEXT("cuEventRecord");
    WANT("cuEventRecord", (uintptr_t)event, EVENT);
    WANT("cuEventRecord", (uintptr_t)stream, STREAM);
    WANT_SAME("cuEventRecord", (uintptr_t)event);
    say("cuEventRecord %s %s", name((int)(uintptr_t)event), name((int)(uintptr_t)stream));
    objects[(uintptr_t)event].recorded++;
    objects[(uintptr_t)event].pending++;
    push((Work){ 0, (int)(uintptr_t)stream, (int)(uintptr_t)event, 0, 0, 0, NULL, 0 });
    END(SUCCESS);
}
int cuEventQuery(void* event)
{
    BEGIN("cuEventQuery");
    WANT("cuEventQuery", (uintptr_t)event, EVENT);
    END(objects[(uintptr_t)event].pending ? NOT_READY : SUCCESS);
}
int cuEventSynchronize(void* event)
{
    BEGIN("cuEventSynchronize");
    WANT_CONTEXT("cuEventSynchronize");
    WANT("cuEventSynchronize", (uintptr_t)event, EVENT);
    say("cuEventSynchronize %s", name((int)(uintptr_t)event));
    long wanted = objects[(uintptr_t)event].recorded;
    while (objects[(uintptr_t)event].done < wanted) pthread_cond_wait(&changed, &lock);
    END(SUCCESS);
}
int cuEventDestroy_v2(void* event)
{
    BEGIN("cuEventDestroy_v2");
    WANT_CONTEXT("cuEventDestroy");
    WANT("cuEventDestroy", (uintptr_t)event, EVENT);
    if (objects[(uintptr_t)event].pending) say("VIOLATION cuEventDestroy %s before it is done", name((int)(uintptr_t)event));
    say("cuEventDestroy %s", name((int)(uintptr_t)event));
    objects[(uintptr_t)event].live = 0;
    END(SUCCESS);
}
int cuGetErrorName(int code, const char** result)
{
    static _Thread_local char names[32];
    snprintf(names, sizeof names, "CUDA_ERROR_STANDIN_%d", code);
    *result = names;
    return SUCCESS;
}
int cuGetErrorString(int code, const char** result)
{
    if (code == 4242) return INVALID_VALUE;
    *result = "the stand-in was told to fail.";
    return SUCCESS;
}

/* ---- cuFile ---- */
typedef struct { int error, driver; } FileError;
typedef struct { int type; union { int fd; void* handle; } handle; const void* operations; } FileDescriptor;
static FileError file_error(const char* call)
{
    FileError result = { 0, 0 };
    if (fails(call)) {
        result.error = fail_code >= 5000 ? fail_code : 5011;
        result.driver = fail_code >= 5000 ? 0 : fail_code;
    }
    return result;
}
FileError cuFileDriverOpen(void)
{
    pthread_mutex_lock(&lock);
    FileError result = file_error("cuFileDriverOpen");
    if (result.error == 0) say("cuFileDriverOpen");
    pthread_mutex_unlock(&lock);
    return result;
}
FileError cuFileHandleRegister(void** handle, FileDescriptor* descriptor)
{
    pthread_mutex_lock(&lock);
    FileError result = file_error("cuFileHandleRegister");
    if (result.error == 0 && descriptor->type != 1) result.error = 5022;
    if (result.error == 0) {
        int made = make(FILE_HANDLE, 0);
        objects[made].bytes = (size_t)descriptor->handle.fd;
        *handle = (void*)(uintptr_t)made;
        say("cuFileHandleRegister %s", name(made));
    }
    pthread_mutex_unlock(&lock);
    return result;
}
void cuFileHandleDeregister(void* handle)
{
    pthread_mutex_lock(&lock);
    if (!is((uintptr_t)handle, FILE_HANDLE)) say("VIOLATION cuFileHandleDeregister of what is no file");
    else {
        say("cuFileHandleDeregister %s", name((int)(uintptr_t)handle));
        objects[(uintptr_t)handle].live = 0;
    }
    pthread_mutex_unlock(&lock);
}
ssize_t cuFileRead(void* handle, void* base, size_t bytes, off_t file_offset, off_t base_offset)
{
    pthread_mutex_lock(&lock);
    ssize_t result;
    if (fails("cuFileRead")) {
        errno = fail_code < 5000 ? fail_code : 0;
        result = fail_code < 5000 ? -1 : -(ssize_t)fail_code;
    } else if (!is((uintptr_t)handle, FILE_HANDLE) || !is(current(), CONTEXT) || !find(ALLOCATION, (uintptr_t)base + base_offset, bytes)) {
        say("VIOLATION cuFileRead");
        result = -5022;
    } else {
        /* The descriptor may be opened for direct reads, and this memory is not aligned for them. */
        char* bounce = NULL;
        if (posix_memalign((void**)&bounce, 4096, (bytes + 4095) & ~(size_t)4095) != 0) abort();
        result = pread((int)objects[(uintptr_t)handle].bytes, bounce, (bytes + 4095) & ~(size_t)4095, file_offset);
        if (result > (ssize_t)bytes) result = (ssize_t)bytes;
        if (result > 0) memcpy((char*)base + base_offset, bounce, (size_t)result);
        free(bounce);
        say("cuFileRead %s %zu %ld %ld", name((int)(uintptr_t)handle), bytes, (long)file_offset, (long)base_offset);
    }
    int keep = errno;
    pthread_mutex_unlock(&lock);
    errno = keep;
    return result;
}
