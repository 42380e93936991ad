/* A libnvidia-ml.so.1 whose GPUs are lines of a text file, read anew on each call.
 *
 * FAKE_NVML_STATE names the file. A line is `KEY VALUE`, a device's key `INDEX.KEY`:
 *     count 2            how many devices
 *     0.util 93          percent busy; likewise mem_used, power (mW), clock (MHz), temp, reasons, ...
 *     1.lost 1           every call about device 1 says that the GPU is lost
 *     1.hang 1           every call about device 1 blocks until the line is gone
 *     0.no_ecc 1         this one signal is not supported
 *     0.xid 79           one Xid event waits, once for each change of 0.xid_number
 *     no_driver 1        nvmlInit says that no driver is loaded
 *
 * With -DOLD_DRIVER the symbols that came after the 525 series are left out.
 * Layouts and codes follow NVIDIA's public nvml.h.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define OK 0
#define UNINITIALIZED 1
#define INVALID 2
#define NOT_SUPPORTED 3
#define SIZE 7
#define NOT_LOADED 9
#define TIMEOUT 10
#define LOST 15

typedef struct device { int index; } *Device;
typedef unsigned long long u64;

static struct device devices[64];
static int started = 0;
static double xids_told[64];

static double state(int index, const char *key, double otherwise) {
    char wanted[80], line[160], name[80];
    double value, found = otherwise;
    const char *path = getenv("FAKE_NVML_STATE");
    FILE *file = path ? fopen(path, "r") : NULL;
    if (!file) return otherwise;
    if (index < 0) snprintf(wanted, sizeof wanted, "%s", key);
    else snprintf(wanted, sizeof wanted, "%d.%s", index, key);
    while (fgets(line, sizeof line, file))
        if (sscanf(line, "%79s %lf", name, &value) == 2 && !strcmp(name, wanted)) found = value;
    fclose(file);
    return found;
}

/* What stands in the way of every call about a device. */
static int obstacle(Device device, const char *signal) {
    char key[64];
    while (state(device->index, "hang", 0)) usleep(10000);
    if (state(device->index, "lost", 0)) return LOST;
    snprintf(key, sizeof key, "no_%s", signal);
    return state(device->index, key, 0) ? NOT_SUPPORTED : OK;
}

#define DEMAND(device, signal) \
    do { int wrong = obstacle(device, signal); if (wrong) return wrong; } while (0)

int nvmlInitWithFlags(unsigned flags) {
    (void)flags;
    if (state(-1, "no_driver", 0)) return NOT_LOADED;
    started = 1;
    return OK;
}

int nvmlShutdown(void) { started = 0; return OK; }

const char *nvmlErrorString(int code) {
    switch (code) {
        case OK: return "Success";
        case NOT_SUPPORTED: return "Not Supported";
        case NOT_LOADED: return "Driver Not Loaded";
        case LOST: return "GPU is lost";
        default: return "Some error";
    }
}

int nvmlSystemGetDriverVersion(char *text, unsigned length) {
    snprintf(text, length, "580.95.05");
    return OK;
}

int nvmlDeviceGetCount_v2(unsigned *count) {
    if (!started) return UNINITIALIZED;
    while (state(-1, "hang", 0)) usleep(10000);
    *count = (unsigned)state(-1, "count", 0);
    return OK;
}

int nvmlDeviceGetHandleByIndex_v2(unsigned index, Device *device) {
    if (index >= (unsigned)state(-1, "count", 0)) return INVALID;
    devices[index].index = (int)index;
    *device = &devices[index];
    DEMAND(*device, "handle");
    return OK;
}

int nvmlDeviceGetUUID(Device device, char *text, unsigned length) {
    DEMAND(device, "uuid");
    snprintf(text, length, "GPU-00000000-0000-0000-0000-%012d", device->index);
    return OK;
}

int nvmlDeviceGetName(Device device, char *text, unsigned length) {
    DEMAND(device, "name");
    snprintf(text, length, "NVIDIA H100 80GB HBM3");
    return OK;
}

int nvmlDeviceGetUtilizationRates(Device device, unsigned *rates) {
    DEMAND(device, "util");
    rates[0] = (unsigned)state(device->index, "util", 0);
    rates[1] = 0;
    return OK;
}

int nvmlDeviceGetMemoryInfo(Device device, u64 *memory) {
    DEMAND(device, "memory");
    memory[0] = (u64)state(device->index, "mem_total", 80e9);
    memory[2] = (u64)(state(device->index, "mem_used", 0) + state(device->index, "mem_reserved", 0));
    memory[1] = memory[0] - memory[2];
    return OK;
}

int nvmlDeviceGetPowerUsage(Device device, unsigned *milliwatts) {
    DEMAND(device, "power");
    *milliwatts = (unsigned)state(device->index, "power", 0);
    return OK;
}

int nvmlDeviceGetEnforcedPowerLimit(Device device, unsigned *milliwatts) {
    DEMAND(device, "power_limit");
    *milliwatts = (unsigned)state(device->index, "power_limit", 700000);
    return OK;
}

int nvmlDeviceGetTotalEnergyConsumption(Device device, u64 *millijoules) {
    DEMAND(device, "energy");
    *millijoules = (u64)state(device->index, "energy", 0);
    return OK;
}

int nvmlDeviceGetClockInfo(Device device, int kind, unsigned *megahertz) {
    DEMAND(device, "clock");
    if (kind != 1) return INVALID; /* NVML_CLOCK_SM */
    *megahertz = (unsigned)state(device->index, "clock", 1980);
    return OK;
}

int nvmlDeviceGetMaxClockInfo(Device device, int kind, unsigned *megahertz) {
    DEMAND(device, "clock_max");
    if (kind != 1) return INVALID;
    *megahertz = 1980;
    return OK;
}

int nvmlDeviceGetTemperature(Device device, int sensor, unsigned *degrees) {
    DEMAND(device, "temp");
    if (sensor != 0) return INVALID;
    *degrees = (unsigned)state(device->index, "temp", 40);
    return OK;
}

static int reasons(Device device, u64 *bits) {
    DEMAND(device, "reasons");
    *bits = (u64)state(device->index, "reasons", 0);
    return OK;
}

int nvmlDeviceGetCurrentClocksThrottleReasons(Device device, u64 *bits) {
    return reasons(device, bits);
}

int nvmlDeviceGetTotalEccErrors(Device device, int kind, int counter, u64 *count) {
    DEMAND(device, "ecc");
    if (counter != 0) return INVALID; /* volatile */
    *count = (u64)state(device->index, kind ? "ecc_uncorrected" : "ecc_corrected", 0);
    return OK;
}

int nvmlDeviceGetRemappedRows(Device device, unsigned *corrected, unsigned *uncorrected,
                              unsigned *pending, unsigned *failure) {
    DEMAND(device, "rows");
    *corrected = 0;
    *uncorrected = (unsigned)state(device->index, "rows_uncorrected", 0);
    *pending = (unsigned)state(device->index, "rows_pending", 0);
    *failure = 0;
    return OK;
}

struct field {
    unsigned id, scope;
    long long timestamp, latency;
    int type, result;
    union { double d; unsigned ui; u64 ull; } value;
};

int nvmlDeviceGetFieldValues(Device device, int count, struct field *fields) {
    DEMAND(device, "fields");
    for (int i = 0; i < count; i++) {
        fields[i].result = NOT_SUPPORTED;
        if (fields[i].id == 230 && state(device->index, "recovery", -1) >= 0) {
            fields[i].result = OK;
            fields[i].type = 1;
            fields[i].value.ull = (u64)state(device->index, "recovery", 0);
        }
    }
    return OK;
}

struct process { unsigned pid; u64 memory; unsigned gpu_instance, compute_instance; };

int nvmlDeviceGetComputeRunningProcesses_v3(Device device, unsigned *count, struct process *found) {
    DEMAND(device, "processes");
    unsigned there = (unsigned)state(device->index, "processes", 0);
    unsigned room = *count;
    *count = there;
    if (there == 0) return OK;
    if (!found || room < there) return SIZE;
    for (unsigned i = 0; i < there; i++) {
        found[i].pid = 4000 + i;
        found[i].memory = i == 1 ? ~0ULL : 30000000000ULL; /* the second will not tell */
        found[i].gpu_instance = found[i].compute_instance = 0xFFFFFFFF;
    }
    return OK;
}

int nvmlDeviceGetSupportedEventTypes(Device device, u64 *types) {
    DEMAND(device, "events");
    *types = 0x8; /* critical Xids */
    return OK;
}

int nvmlEventSetCreate(int **set) {
    *set = calloc(1, sizeof **set);
    return OK;
}

int nvmlEventSetFree(int *set) { free(set); return OK; }

int nvmlDeviceRegisterEvents(Device device, u64 types, int *set) {
    (void)types;
    *set = device->index;
    return OK;
}

struct event { Device device; u64 type, data; unsigned gpu_instance, compute_instance; };

int nvmlEventSetWait_v2(int *set, struct event *event, unsigned milliseconds) {
    double number = state(*set, "xid_number", 0);
    (void)milliseconds;
    if (number <= xids_told[*set]) return TIMEOUT;
    xids_told[*set] += 1;
    event->device = &devices[*set];
    event->type = 0x8;
    event->data = (u64)state(*set, "xid", 0);
    return OK;
}

#ifndef OLD_DRIVER
int nvmlDeviceGetCurrentClocksEventReasons(Device device, u64 *bits) {
    return reasons(device, bits);
}

struct memory { unsigned version; u64 total, reserved, free, used; };

int nvmlDeviceGetMemoryInfo_v2(Device device, struct memory *memory) {
    DEMAND(device, "memory");
    if (memory->version != 0x02000028) return INVALID;
    memory->total = (u64)state(device->index, "mem_total", 80e9);
    memory->reserved = (u64)state(device->index, "mem_reserved", 0);
    memory->used = (u64)state(device->index, "mem_used", 0);
    memory->free = memory->total - memory->used - memory->reserved;
    return OK;
}

struct temperature { unsigned version; int sensor, degrees; };

int nvmlDeviceGetTemperatureV(Device device, struct temperature *temperature) {
    DEMAND(device, "temp");
    temperature->degrees = (int)state(device->index, "temp", 40);
    return OK;
}
#endif
