/* A libnvidia-ml.so.1 whose GPUs are lines of a text file, read anew on each call.
 *
 * FAKE_NVML_STATE names the file. A line is `KEY VALUE`, a device's key `INDEX.KEY`:
 *     count 2            how many devices
 *     0.util 93          percent busy; likewise mem_used, power (mW), clock (MHz), temp, reasons, ...
 *     1.lost 1           every call about device 1 says that the GPU is lost
 *     1.hang 1           every call about device 1 blocks until the line is gone
 *     0.no_ecc 1         this one signal is not supported
 *     0.xid 79           one Xid event waits, once for each change of 0.xid_number
 *     0.field_75 2e9     the field with this number; field_138_all in the scope of all links
 *     0.mig 2            MIG is on with so many instances, of 10 GB each, and refuses what it must
 *     0.mig_layout 1     which layout it is: instances of another are other devices, and dead
 *     0.gpm 1            GPM is there; 0.gpm_5 40 is what metric 5 counts, told as a mean of two
 *                        samples; 0.mig_gpm_5 likewise, and one more for each GPU instance
 *     0.fabric 3         state of the fabric; likewise fabric_status, fabric_health (mask)
 *     0.sm_time 7        newest process samples: sm_a and sm_b (percent) of process 4000, sm_1 of
 *                        process 4001, and so on
 *     0.processes 3      processes 4000 to 4002; process_memory_1 is what the second holds;
 *                        likewise graphics, and mps, which begins at 4010
 *     0.minor 5          minor number, where it is not the index
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
#define NOT_FOUND 6
#define SIZE 7
#define NOT_LOADED 9
#define TIMEOUT 10
#define LOST 15

#define MIG_PLACES 7
#define OTHERS 4 /* processes after the first that may have samples */

typedef struct device { int index, instance, layout; } *Device; /* instance 0: the whole */
typedef unsigned long long u64;

static struct device devices[64];
static struct device instances[64][8][MIG_PLACES];
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
    if (device->instance && device->layout != (int)state(device->index, "mig_layout", 0))
        return INVALID;
    snprintf(key, sizeof key, "no_%s", signal);
    return state(device->index, key, 0) ? NOT_SUPPORTED : OK;
}

#define DEMAND(device, signal) \
    do { int wrong = obstacle(device, signal); if (wrong) return wrong; } while (0)

/* What a driver tells of whole devices only. */
#define DEMAND_WHOLE(device, signal) \
    do { if ((device)->instance) return INVALID; DEMAND(device, signal); } while (0)

static int is_cut(Device device) { return state(device->index, "mig", 0) > 0; }

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
    if (device->instance)
        snprintf(text, length, "MIG-00000000-0000-%04d-%04d-%012d", device->layout,
                 device->instance, device->index);
    else snprintf(text, length, "GPU-00000000-0000-0000-0000-%012d", device->index);
    return OK;
}

int nvmlDeviceGetName(Device device, char *text, unsigned length) {
    DEMAND(device, "name");
    snprintf(text, length, "NVIDIA H100 80GB HBM3%s", device->instance ? " MIG 1g.10gb" : "");
    return OK;
}

int nvmlDeviceGetUtilizationRates(Device device, unsigned *rates) {
    DEMAND_WHOLE(device, "util");
    if (is_cut(device)) return NOT_SUPPORTED;
    rates[0] = (unsigned)state(device->index, "util", 0);
    rates[1] = (unsigned)state(device->index, "mem_busy", 0);
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
    DEMAND_WHOLE(device, "power");
    *milliwatts = (unsigned)state(device->index, "power", 0);
    return OK;
}

int nvmlDeviceGetEnforcedPowerLimit(Device device, unsigned *milliwatts) {
    DEMAND_WHOLE(device, "power_limit");
    *milliwatts = (unsigned)state(device->index, "power_limit", 700000);
    return OK;
}

int nvmlDeviceGetTotalEnergyConsumption(Device device, u64 *millijoules) {
    DEMAND_WHOLE(device, "energy");
    *millijoules = (u64)state(device->index, "energy", 0);
    return OK;
}

int nvmlDeviceGetClockInfo(Device device, int kind, unsigned *megahertz) {
    DEMAND_WHOLE(device, kind == 2 ? "mem_clock" : "clock"); /* NVML_CLOCK_MEM, NVML_CLOCK_SM */
    if (kind != 1 && kind != 2) return INVALID;
    *megahertz = (unsigned)state(device->index, kind == 2 ? "mem_clock" : "clock", 1980);
    return OK;
}

int nvmlDeviceGetMaxClockInfo(Device device, int kind, unsigned *megahertz) {
    DEMAND_WHOLE(device, kind == 2 ? "mem_clock_max" : "clock_max");
    if (kind != 1 && kind != 2) return INVALID;
    *megahertz = kind == 2 ? 2619 : 1980;
    return OK;
}

int nvmlDeviceGetTemperature(Device device, int sensor, unsigned *degrees) {
    DEMAND_WHOLE(device, "temp");
    if (sensor != 0) return INVALID;
    *degrees = (unsigned)state(device->index, "temp", 40);
    return OK;
}

static int reasons(Device device, u64 *bits) {
    DEMAND_WHOLE(device, "reasons");
    *bits = (u64)state(device->index, "reasons", 0);
    return OK;
}

int nvmlDeviceGetCurrentClocksThrottleReasons(Device device, u64 *bits) {
    return reasons(device, bits);
}

int nvmlDeviceGetTotalEccErrors(Device device, int kind, int counter, u64 *count) {
    DEMAND_WHOLE(device, counter ? "ecc_lifetime" : "ecc");
    if (counter > 1) return INVALID; /* volatile, aggregate */
    *count = (u64)state(device->index, kind ? "ecc_uncorrected" : "ecc_corrected", 0);
    if (counter) *count += 100;
    return OK;
}

struct sram {
    unsigned version;
    u64 parity, sec_ded, corrected, volatile_parity, volatile_sec_ded, volatile_corrected;
    u64 l2, sm, pcie, mcu, other;
    unsigned exceeded;
};

int nvmlDeviceGetSramEccErrorStatus(Device device, struct sram *status) {
    DEMAND_WHOLE(device, "sram");
    if ((status->version & 0xFFFFFF) != sizeof *status) return INVALID;
    status->parity = (u64)state(device->index, "sram_parity", 0);
    status->sec_ded = 2;
    status->corrected = 3;
    status->exceeded = (unsigned)state(device->index, "sram_exceeded", 0);
    return OK;
}

int nvmlDeviceGetRowRemapperHistogram(Device device, unsigned *banks) {
    DEMAND_WHOLE(device, "histogram");
    banks[0] = 640; /* max, high, partial, low, none */
    banks[1] = banks[2] = banks[3] = 0;
    banks[4] = (unsigned)state(device->index, "banks_none", 0);
    return OK;
}

int nvmlDeviceGetRetiredPages(Device device, int cause, unsigned *count, u64 *pages) {
    DEMAND_WHOLE(device, "retired");
    unsigned room = *count;
    *count = (unsigned)state(device->index, cause ? "retired_double" : "retired_single", 0);
    if (*count == 0) return OK;
    if (!pages || room < *count) return SIZE;
    for (unsigned i = 0; i < *count; i++) pages[i] = i;
    return OK;
}

int nvmlDeviceGetRetiredPagesPendingStatus(Device device, int *pending) {
    DEMAND_WHOLE(device, "retired");
    *pending = (int)state(device->index, "retired_pending", 0);
    return OK;
}

int nvmlDeviceGetBAR1MemoryInfo(Device device, u64 *bar1) {
    DEMAND(device, "bar1");
    bar1[0] = 131072ULL << 20; /* total, free, used */
    bar1[2] = (u64)state(device->index, "bar1_used", 5e6);
    bar1[1] = bar1[0] - bar1[2];
    return OK;
}

int nvmlDeviceGetTemperatureThreshold(Device device, int threshold, unsigned *degrees) {
    DEMAND_WHOLE(device, "thresholds");
    if (threshold == 2) return NOT_SUPPORTED; /* memory: refused alone */
    *degrees = 92u - (unsigned)threshold;
    return OK;
}

struct margin { unsigned version; int degrees; };

int nvmlDeviceGetMarginTemperature(Device device, struct margin *margin) {
    DEMAND_WHOLE(device, "margin");
    margin->degrees = (int)state(device->index, "margin", 30);
    return OK;
}

int nvmlDeviceGetNvLinkState(Device device, unsigned link, unsigned *active) {
    DEMAND_WHOLE(device, "links");
    unsigned up = (unsigned)state(device->index, "links_up", 0);
    unsigned down = (unsigned)state(device->index, "links_down", 0);
    if (link >= up + down) return INVALID;
    *active = link < up;
    return OK;
}

struct pci {
    char legacy[16];
    unsigned domain, bus, device, id, subsystem;
    char bus_id[32];
};

int nvmlDeviceGetPciInfo_v3(Device device, struct pci *pci) {
    DEMAND_WHOLE(device, "pci");
    memset(pci, 0, sizeof *pci);
    pci->bus = 0x3b + (unsigned)device->index;
    snprintf(pci->bus_id, sizeof pci->bus_id, "00000000:%02X:00.0", pci->bus);
    return OK;
}

int nvmlDeviceGetRemappedRows(Device device, unsigned *corrected, unsigned *uncorrected,
                              unsigned *pending, unsigned *failure) {
    DEMAND_WHOLE(device, "rows");
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
    char key[40], group[40];
    DEMAND_WHOLE(device, "fields");
    for (int i = 0; i < count; i++) {
        struct field *field = &fields[i];
        const char *scope = field->scope == 0xFFFFFFFF ? "_all" : "";
        snprintf(key, sizeof key, "field_%u%s", field->id, scope);
        snprintf(group, sizeof group, "no_field_%u", field->id);
        double value = state(device->index, key, -1);
        field->result = value < 0 || state(device->index, group, 0) ? NOT_SUPPORTED : OK;
        field->type = field->id == 230 || field->id == 82 ? 1 : 3;
        field->value.ull = field->type == 1 ? 0xDEAD00000000ULL : 0; /* rubbish beside a short one */
        if (field->type == 1) field->value.ui = (unsigned)value;
        else field->value.ull = value < 1.8e19 ? (u64)value : ~0ULL; /* not available */
    }
    return OK;
}

static int codec(Device device, const char *key, unsigned *percent, unsigned *period) {
    DEMAND_WHOLE(device, "codec");
    if (is_cut(device)) return NOT_SUPPORTED;
    *percent = (unsigned)state(device->index, key, 0);
    *period = 167000;
    return OK;
}

int nvmlDeviceGetEncoderUtilization(Device device, unsigned *percent, unsigned *period) {
    return codec(device, "encoder", percent, period);
}

int nvmlDeviceGetDecoderUtilization(Device device, unsigned *percent, unsigned *period) {
    return codec(device, "decoder", percent, period);
}

int nvmlDeviceGetPcieReplayCounter(Device device, unsigned *replays) {
    DEMAND_WHOLE(device, "replay");
    *replays = (unsigned)state(device->index, "replays", 0);
    return OK;
}

struct process { unsigned pid; u64 memory; unsigned gpu_instance, compute_instance; };

/* Processes 4000, 4001, ... of which the second will not tell its memory unless it is set. */
static int listed(Device device, unsigned there, unsigned first, unsigned *count,
                  struct process *found) {
    char key[40];
    unsigned room = *count;
    *count = there;
    if (there == 0) return OK;
    if (!found || room < there) return SIZE;
    for (unsigned i = 0; i < there; i++) {
        snprintf(key, sizeof key, "process_memory_%u", first + i);
        double memory = state(device->index, key, first + i == 1 ? -1 : 30e9);
        found[i].pid = 4000 + first + i;
        found[i].memory = memory < 0 ? ~0ULL : (u64)memory;
        found[i].gpu_instance = found[i].compute_instance = 0xFFFFFFFF;
    }
    return OK;
}

int nvmlDeviceGetComputeRunningProcesses_v3(Device device, unsigned *count, struct process *found) {
    DEMAND(device, "processes");
    unsigned there = (unsigned)state(device->index, "processes", 0);
    if (device->instance) there = device->instance == 1; /* of a cut device: one, in the first */
    return listed(device, there, 0, count, found);
}

int nvmlDeviceGetGraphicsRunningProcesses_v3(Device device, unsigned *count, struct process *found) {
    DEMAND_WHOLE(device, "graphics");
    return listed(device, (unsigned)state(device->index, "graphics", 0), 0, count, found);
}

int nvmlDeviceGetMPSComputeRunningProcesses_v3(Device device, unsigned *count,
                                               struct process *found) {
    DEMAND_WHOLE(device, "mps");
    return listed(device, (unsigned)state(device->index, "mps", 0), 10, count, found);
}

struct use { unsigned pid; u64 at; unsigned sm, memory, encoder, decoder; };

int nvmlDeviceGetProcessUtilization(Device device, struct use *found, unsigned *count, u64 since) {
    char key[16];
    DEMAND_WHOLE(device, "process_use");
    if (is_cut(device)) return NOT_SUPPORTED;
    u64 now = (u64)state(device->index, "sm_time", 0);
    if (now <= since) return NOT_FOUND;
    unsigned room = *count;
    *count = 4 + OTHERS;
    if (!found || room < 4 + OTHERS) return SIZE;
    memset(found, 0, (4 + OTHERS) * sizeof *found);
    for (unsigned i = 1; i <= OTHERS; i++) {
        snprintf(key, sizeof key, "sm_%u", i);
        double busy = state(device->index, key, -1);
        struct use *other = &found[3 + i];
        if (busy < 0) continue; /* of no process */
        *other = (struct use){4000 + i, now, (unsigned)busy, 0, 0, 0};
    }
    for (int i = 0; i < 4; i++) { found[i].pid = 4000; found[i].at = now; }
    found[0].sm = (unsigned)state(device->index, "sm_a", 0);
    found[1].sm = (unsigned)state(device->index, "sm_b", 0);
    found[2].sm = 99; found[2].at = since; /* drivers repeat what is old, */
    found[3].sm = 4000000000u;             /* and tell of more than all time */
    return OK;
}

/* -- MIG ----------------------------------------------------------------------------------- */

int nvmlDeviceGetMigMode(Device device, unsigned *current, unsigned *pending) {
    DEMAND_WHOLE(device, "mig");
    *current = is_cut(device);
    *pending = (unsigned)state(device->index, "mig_pending", *current);
    return OK;
}

int nvmlDeviceGetMaxMigDeviceCount(Device device, unsigned *count) {
    DEMAND_WHOLE(device, "mig");
    *count = MIG_PLACES;
    return OK;
}

int nvmlDeviceGetMigDeviceHandleByIndex(Device device, unsigned place, Device *found) {
    DEMAND_WHOLE(device, "mig");
    if (place >= MIG_PLACES) return INVALID;
    /* the first place is empty, as after the removal of an instance */
    if (place == 0 || place > (unsigned)state(device->index, "mig", 0)) return NOT_FOUND;
    int layout = (int)state(device->index, "mig_layout", 0);
    *found = &instances[device->index][layout % 8][place];
    **found = (struct device){device->index, (int)place, layout};
    return OK;
}

int nvmlDeviceGetGpuInstanceId(Device device, unsigned *id) {
    DEMAND(device, "mig");
    *id = 6 + (unsigned)device->instance;
    if (state(device->index, "mig_moves", 0) && device->instance == 2) return NOT_FOUND;
    return OK;
}

struct placement { unsigned start, size; };
struct instance_info { Device device; unsigned id, profile; struct placement placement; };

int nvmlDeviceGetMinorNumber(Device device, unsigned *minor) {
    DEMAND_WHOLE(device, "minor");
    *minor = (unsigned)state(device->index, "minor", device->index);
    return OK;
}

/* What only a privileged user is told: where an instance lies. */
int nvmlDeviceGetGpuInstanceById(Device device, unsigned id, Device *found) {
    DEMAND_WHOLE(device, "placement");
    int layout = (int)state(device->index, "mig_layout", 0);
    if (id < 7 || id - 6 >= MIG_PLACES) return NOT_FOUND;
    *found = &instances[device->index][layout % 8][id - 6];
    return OK;
}

int nvmlGpuInstanceGetInfo(Device device, struct instance_info *info) {
    *info = (struct instance_info){device, 6 + (unsigned)device->instance, 19,
                                   {(unsigned)device->instance - 1, 1}};
    return OK;
}

int nvmlDeviceGetComputeInstanceId(Device device, unsigned *id) {
    DEMAND(device, "mig");
    *id = 0;
    return OK;
}

/* -- GPM ----------------------------------------------------------------------------------- */

struct sample { Device device; double counted[16]; };
struct gpm_metric { unsigned id; int result; double value; const char *names[3]; };
struct gpm { unsigned version, count; struct sample *one, *two; struct gpm_metric metrics[]; };
struct gpm_support { unsigned version, supported; };

static int samples_held = 0;

int fakeGpmSamplesHeld(void) { return samples_held; }

int nvmlGpmQueryDeviceSupport(Device device, struct gpm_support *support) {
    DEMAND_WHOLE(device, "gpm");
    support->supported = state(device->index, "gpm", 0) > 0;
    return OK;
}

int nvmlGpmSampleAlloc(struct sample **sample) {
    *sample = calloc(1, sizeof **sample);
    samples_held++;
    return OK;
}

int nvmlGpmSampleFree(struct sample *sample) {
    free(sample);
    samples_held--;
    return OK;
}

static int take(Device device, int gpu_instance, struct sample *sample) {
    char key[24];
    DEMAND_WHOLE(device, "gpm_sample");
    sample->device = device;
    for (int id = 0; id < 16; id++) {
        snprintf(key, sizeof key, gpu_instance < 0 ? "gpm_%d" : "mig_gpm_%d", id);
        sample->counted[id] = state(device->index, key, 0) + (gpu_instance < 0 ? 0 : gpu_instance);
    }
    return OK;
}

int nvmlGpmSampleGet(Device device, struct sample *sample) {
    if (is_cut(device)) return NOT_SUPPORTED;
    return take(device, -1, sample);
}

int nvmlGpmMigSampleGet(Device device, unsigned gpu_instance, struct sample *sample) {
    return take(device, (int)gpu_instance, sample);
}

int nvmlGpmMetricsGet(struct gpm *wanted) {
    if (wanted->version != 1 || wanted->one->device != wanted->two->device) return INVALID;
    DEMAND(wanted->one->device, "gpm_metrics");
    for (unsigned i = 0; i < wanted->count; i++) {
        struct gpm_metric *metric = &wanted->metrics[i];
        double mean = (wanted->one->counted[metric->id] + wanted->two->counted[metric->id]) / 2;
        metric->result = mean < 0 ? NOT_SUPPORTED : OK;
        metric->value = mean == 77 ? 0.0 / 0.0 : mean;
    }
    return OK;
}

/* -- NVLink fabric ------------------------------------------------------------------------- */

struct fabric {
    unsigned version;
    unsigned char cluster[16];
    int status;
    unsigned clique, state, health;
};

int nvmlDeviceGetGpuFabricInfoV(Device device, struct fabric *fabric) {
    DEMAND_WHOLE(device, "fabric");
    if (fabric->version != 0x02000024) return INVALID;
    fabric->state = (unsigned)state(device->index, "fabric", 0);
    fabric->status = (int)state(device->index, "fabric_status", 0);
    fabric->health = (unsigned)state(device->index, "fabric_health", 0);
    return OK;
}

int nvmlDeviceGetSupportedEventTypes(Device device, u64 *types) {
    DEMAND_WHOLE(device, "events");
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
    memory->total = (u64)(device->instance ? 10e9 : state(device->index, "mem_total", 80e9));
    memory->reserved = (u64)state(device->index, "mem_reserved", 0);
    memory->used = (u64)(device->instance ? device->instance * 1e9
                                          : state(device->index, "mem_used", 0));
    memory->free = memory->total - memory->used - memory->reserved;
    return OK;
}

struct temperature { unsigned version; int sensor, degrees; };

int nvmlDeviceGetTemperatureV(Device device, struct temperature *temperature) {
    DEMAND_WHOLE(device, "temp");
    temperature->degrees = (int)state(device->index, "temp", 40);
    return OK;
}
#endif
