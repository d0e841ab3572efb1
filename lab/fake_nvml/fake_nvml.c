/* Copyright: (c) 2026, The llmfleet authors
 * GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * A library with the NVML symbols that answers as any NVIDIA machine, so that a reader of NVML can be tried
 * without a card: as the lab's hosts, and as the broken machines that nobody can order.
 *
 *   cc -shared -fPIC -O1 -Wl,-soname,libnvidia-ml.so.1 -o libnvidia-ml.so.1 fake_nvml.c
 *   -DNO_V2 gives an old driver: no memory v2, no addressing mode, no process list v3.
 * It also answers the few calls of libcuda that say whether a GPU is integrated (cuInit, cuDeviceGetByPCIBusId,
 * cuDeviceGetAttribute, cuDeviceTotalMem_v2); only a copy or link called libcuda.so.1 makes anybody find them.
 *
 * Configuration: key=value lines in the file $FAKE_NVML, else /etc/fake_nvml.conf. '#' starts a comment line. It is
 * read at each nvmlInit. Without a file: no devices. Sizes are bytes, or MiB with the suffix M ("12288M").
 *
 *   driver=570.124.04      version of the driver            cuda=12080        highest CUDA, as NVML counts it
 *   init_rc=9              nvmlInit fails with this code    init_fault=hang | hang:SECONDS | segfault
 *   count=3                devices; default: highest gpuN mentioned, plus one
 *   topology=40            nearest common ancestor of each two devices (0 internal, 10 single … 50 system); left out: not supported
 *
 *   gpu0.name=NVIDIA GeForce RTX 3060      gpu0.uuid=GPU-…       gpu0.pci=00000000:01:00.0
 *   gpu0.pci_id=0x250310DE                 device << 16 | vendor (default 0x220410DE)
 *   gpu0.total=12288M  gpu0.reserved=368M  gpu0.used=116M        free = total - reserved - used
 *   gpu0.cc=8.6   gpu0.bus_width=192   gpu0.memory_clock=7501 (MHz)   gpu0.persistence=1   gpu0.power_limit=170000 (mW)   gpu0.minor=0
 *   gpu0.addressing=none|hmm|ats (left out: not supported)   gpu0.numa=1   gpu0.virtualization=2 (2 = vGPU guest)
 *   gpu0.process0=4242:4096M:/usr/bin/llama-server           pid:used[:name]; used "-" = not available
 *
 *   gpu0.handle_rc=15      nvmlDeviceGetHandleByIndex fails (lost card)
 *   gpu0.memory_rc=3       both memory calls fail (3 not supported, 4 no permission, 15 lost)
 *   gpu0.fault=segfault | hang | hang:SECONDS        when the device is opened; hang without seconds never ends
 *   gpu0.fault_at=memory   the fault happens in the memory call instead
 *   gpu0.integrated=0|1    what libcuda says; left out: it refuses to answer
 *   gpu0.cuda_total=8128M  what cuDeviceTotalMem says (default: total)
 *
 *   gpu0.mig=0|1           MIG mode; left out: the card has no MIG       gpu0.mig_slots=7
 *   gpu0.mig0=2:0:71424M:MIG-…:NVIDIA H200 MIG 1c.3g.71gb[:USED]         slot 0: GPU instance:compute instance:size:uuid:name:used
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

typedef int rc_t;
enum { OK = 0, INVALID = 2, NOT_SUPPORTED = 3, NOT_FOUND = 6, TOO_SMALL = 7, VERSION_MISMATCH = 25 };

#define MAX_GPU 16
#define MAX_MIG 8
#define MAX_PROC 8

struct gpu;
struct mig { int used, gi, ci; unsigned long long size, in_use; char uuid[96], name[96]; struct gpu *parent; };
struct process { unsigned pid; unsigned long long used; char name[128]; };
struct gpu {
  unsigned long long total, reserved, used, cuda_total;
  char name[96], uuid[96], pci[32], fault[32];
  unsigned pci_id, minor, power_limit, persistence, bus_width, memory_clock;
  int major_cc, minor_cc, addressing, numa, virtualization, handle_rc, memory_rc, fault_at_memory, integrated, mig_mode, mig_slots, processes;
  struct mig mig[MAX_MIG];
  struct process process[MAX_PROC];
};

static struct gpu gpus[MAX_GPU];
static int count, init_rc, cuda_version, topology;
static char driver[80], init_fault[32];

static unsigned long long size_of(const char *text) {
  char *end;
  unsigned long long n = strtoull(text, &end, 10);
  return *end == 'M' ? n << 20 : n;
}

static void put(char *to, size_t room, const char *text) { snprintf(to, room, "%s", text); }

/* "segfault" crashes; "hang" never comes back; "hang:3" comes back after 3 seconds. */
static void misbehave(const char *fault) {
  if (!strcmp(fault, "segfault")) *(volatile int *)0 = 1;
  if (!strncmp(fault, "hang", 4)) {
    unsigned left = fault[4] == ':' ? (unsigned)atoi(fault + 5) : 0;
    if (!left) for (;;) pause();
    while (left) left = sleep(left);
  }
}

static void set_mig(struct gpu *g, int slot, char *value) {
  struct mig *m = &g->mig[slot];
  char *gi = strsep(&value, ":"), *ci = strsep(&value, ":"), *size = strsep(&value, ":"), *uuid = strsep(&value, ":"), *name = strsep(&value, ":");
  if (!name) return;
  m->used = 1; m->parent = g; m->gi = atoi(gi); m->ci = atoi(ci); m->size = size_of(size);
  put(m->uuid, sizeof m->uuid, uuid); put(m->name, sizeof m->name, name);
  if (value) m->in_use = size_of(value);
}

static void set_process(struct gpu *g, char *value) {
  struct process *p = &g->process[g->processes];
  char *pid = strsep(&value, ":"), *used = strsep(&value, ":");
  if (!used || g->processes == MAX_PROC) return;
  p->pid = (unsigned)atoi(pid);
  p->used = *used == '-' ? ~0ULL : size_of(used);
  put(p->name, sizeof p->name, value ? value : "");
  g->processes++;
}

static void set_gpu(struct gpu *g, const char *key, char *value) {
  if (!strcmp(key, "name")) put(g->name, sizeof g->name, value);
  else if (!strcmp(key, "uuid")) put(g->uuid, sizeof g->uuid, value);
  else if (!strcmp(key, "pci")) put(g->pci, sizeof g->pci, value);
  else if (!strcmp(key, "pci_id")) g->pci_id = (unsigned)strtoul(value, NULL, 0);
  else if (!strcmp(key, "total")) g->total = size_of(value);
  else if (!strcmp(key, "reserved")) g->reserved = size_of(value);
  else if (!strcmp(key, "used")) g->used = size_of(value);
  else if (!strcmp(key, "cuda_total")) g->cuda_total = size_of(value);
  else if (!strcmp(key, "cc")) sscanf(value, "%d.%d", &g->major_cc, &g->minor_cc);
  else if (!strcmp(key, "persistence")) g->persistence = (unsigned)atoi(value);
  else if (!strcmp(key, "bus_width")) g->bus_width = (unsigned)atoi(value);
  else if (!strcmp(key, "memory_clock")) g->memory_clock = (unsigned)atoi(value);
  else if (!strcmp(key, "power_limit")) g->power_limit = (unsigned)atoi(value);
  else if (!strcmp(key, "minor")) g->minor = (unsigned)atoi(value);
  else if (!strcmp(key, "addressing")) g->addressing = !strcmp(value, "none") ? 0 : !strcmp(value, "hmm") ? 1 : 2;
  else if (!strcmp(key, "numa")) g->numa = atoi(value);
  else if (!strcmp(key, "virtualization")) g->virtualization = atoi(value);
  else if (!strcmp(key, "handle_rc")) g->handle_rc = atoi(value);
  else if (!strcmp(key, "memory_rc")) g->memory_rc = atoi(value);
  else if (!strcmp(key, "fault")) put(g->fault, sizeof g->fault, value);
  else if (!strcmp(key, "fault_at")) g->fault_at_memory = !strcmp(value, "memory");
  else if (!strcmp(key, "integrated")) g->integrated = atoi(value);
  else if (!strcmp(key, "mig")) g->mig_mode = atoi(value);
  else if (!strcmp(key, "mig_slots")) g->mig_slots = atoi(value);
  else if (!strncmp(key, "mig", 3) && atoi(key + 3) < MAX_MIG) set_mig(g, atoi(key + 3), value);
  else if (!strncmp(key, "process", 7)) set_process(g, value);
}

static void read_configuration(void) {
  const char *path = getenv("FAKE_NVML");
  FILE *f = fopen(path ? path : "/etc/fake_nvml.conf", "r");
  char line[512];
  int i, given = -1;
  memset(gpus, 0, sizeof gpus);
  count = init_rc = 0; cuda_version = 12080; topology = -1; *init_fault = 0;
  put(driver, sizeof driver, "570.124.04");
  for (i = 0; i < MAX_GPU; i++) {
    struct gpu *g = &gpus[i];
    put(g->name, sizeof g->name, "NVIDIA Fake GPU");
    snprintf(g->uuid, sizeof g->uuid, "GPU-00000000-0000-0000-0000-%012d", i);
    snprintf(g->pci, sizeof g->pci, "00000000:%02X:00.0", i + 1);
    g->pci_id = 0x220410DE; g->minor = (unsigned)i; g->major_cc = 8; g->minor_cc = 6; g->power_limit = 350000;
    g->addressing = g->numa = g->integrated = g->mig_mode = -1; g->mig_slots = 7;
  }
  if (!f) return;
  while (fgets(line, sizeof line, f)) {
    char *value = strchr(line, '='), *dot;
    line[strcspn(line, "\r\n")] = 0;
    if (*line == '#' || !value) continue;
    *value++ = 0;
    if (!strncmp(line, "gpu", 3) && (dot = strchr(line, '.')) && (i = atoi(line + 3)) >= 0 && i < MAX_GPU) {
      if (i >= count) count = i + 1;
      set_gpu(&gpus[i], dot + 1, value);
    } else if (!strcmp(line, "driver")) put(driver, sizeof driver, value);
    else if (!strcmp(line, "cuda")) cuda_version = atoi(value);
    else if (!strcmp(line, "init_rc")) init_rc = atoi(value);
    else if (!strcmp(line, "topology")) topology = atoi(value);
    else if (!strcmp(line, "init_fault")) put(init_fault, sizeof init_fault, value);
    else if (!strcmp(line, "count")) given = atoi(value);
  }
  fclose(f);
  if (given >= 0 && given <= MAX_GPU) count = given;
}

/* A handle is a pointer to a struct gpu or to one of its MIG slots; the address tells which. */
static struct mig *as_mig(void *handle) {
  int i;
  for (i = 0; i < MAX_GPU; i++)
    if ((char *)handle >= (char *)gpus[i].mig && (char *)handle < (char *)(gpus[i].mig + MAX_MIG)) return handle;
  return NULL;
}

rc_t nvmlInitWithFlags(unsigned flags) { (void)flags; read_configuration(); misbehave(init_fault); return init_rc; }
rc_t nvmlInit_v2(void) { return nvmlInitWithFlags(0); }
rc_t nvmlShutdown(void) { return OK; }
const char *nvmlErrorString(rc_t rc) { (void)rc; return "error of the fake library"; }

static rc_t answer(char *to, unsigned room, const char *text) {
  if (room < strlen(text) + 1) return TOO_SMALL;
  strcpy(to, text);
  return OK;
}
rc_t nvmlSystemGetDriverVersion(char *to, unsigned room) { return answer(to, room, driver); }
rc_t nvmlSystemGetNVMLVersion(char *to, unsigned room) { return answer(to, room, driver); }
rc_t nvmlSystemGetCudaDriverVersion(int *to) { *to = cuda_version; return OK; }
rc_t nvmlSystemGetCudaDriverVersion_v2(int *to) { *to = cuda_version; return OK; }
rc_t nvmlSystemGetProcessName(unsigned pid, char *to, unsigned room) {
  int i, j;
  for (i = 0; i < count; i++)
    for (j = 0; j < gpus[i].processes; j++)
      if (gpus[i].process[j].pid == pid && *gpus[i].process[j].name) return answer(to, room, gpus[i].process[j].name);
  return NOT_FOUND;
}

rc_t nvmlDeviceGetCount_v2(unsigned *to) { *to = (unsigned)count; return OK; }
rc_t nvmlDeviceGetHandleByIndex_v2(unsigned index, void **to) {
  struct gpu *g = &gpus[index];
  if (index >= (unsigned)count) return INVALID;
  if (!g->fault_at_memory) misbehave(g->fault);
  *to = g;
  return g->handle_rc;
}
rc_t nvmlDeviceGetName(void *h, char *to, unsigned room) { struct mig *m = as_mig(h); return answer(to, room, m ? m->name : ((struct gpu *)h)->name); }
rc_t nvmlDeviceGetUUID(void *h, char *to, unsigned room) { struct mig *m = as_mig(h); return answer(to, room, m ? m->uuid : ((struct gpu *)h)->uuid); }
rc_t nvmlDeviceGetMinorNumber(struct gpu *g, unsigned *to) { *to = g->minor; return OK; }

struct pci_info { char legacy[16]; unsigned domain, bus, device, id, subsystem; char bus_id[32]; };
rc_t nvmlDeviceGetPciInfo_v3(struct gpu *g, struct pci_info *to) {
  memset(to, 0, sizeof *to);
  sscanf(g->pci, "%x:%x:%x", &to->domain, &to->bus, &to->device);
  to->id = g->pci_id;
  snprintf(to->legacy, sizeof to->legacy, "%04X:%02X:%02X.0", to->domain & 0xffff, to->bus & 0xff, to->device & 0xff);
  put(to->bus_id, sizeof to->bus_id, g->pci);
  return OK;
}

struct memory { unsigned long long total, free, used; };
struct memory_v2 { unsigned version; unsigned long long total, reserved, free, used; };
static rc_t memory_of(void *h, struct memory_v2 *to) {
  struct mig *m = as_mig(h);
  struct gpu *g = m ? m->parent : h;
  if (m) { to->total = m->size; to->reserved = 0; to->used = m->in_use; to->free = m->size - m->in_use; return OK; }
  if (g->fault_at_memory) misbehave(g->fault);
  if (g->memory_rc) return g->memory_rc;
  to->total = g->total; to->reserved = g->reserved; to->used = g->used; to->free = g->total - g->reserved - g->used;
  return OK;
}
rc_t nvmlDeviceGetMemoryInfo(void *h, struct memory *to) {
  struct memory_v2 m;
  rc_t rc = memory_of(h, &m);
  if (rc) return rc;
  to->total = m.total; to->free = m.free; to->used = m.used + m.reserved; /* the first version counts the reserved part as used */
  return OK;
}
#ifndef NO_V2
rc_t nvmlDeviceGetMemoryInfo_v2(void *h, struct memory_v2 *to) {
  if (to->version != (sizeof *to | 2u << 24)) return VERSION_MISMATCH;
  return memory_of(h, to);
}
rc_t nvmlDeviceGetAddressingMode(struct gpu *g, unsigned to[2]) {
  if (to[0] != (8u | 1u << 24)) return VERSION_MISMATCH;
  if (g->addressing < 0) return NOT_SUPPORTED;
  to[1] = (unsigned)g->addressing;
  return OK;
}
#endif

rc_t nvmlDeviceGetCudaComputeCapability(struct gpu *g, int *major, int *minor) { *major = g->major_cc; *minor = g->minor_cc; return OK; }
rc_t nvmlDeviceGetNumaNodeId(struct gpu *g, unsigned *to) { if (g->numa < 0) return NOT_SUPPORTED; *to = (unsigned)g->numa; return OK; }
rc_t nvmlDeviceGetMemoryBusWidth(struct gpu *g, unsigned *to) { if (!g->memory_clock) return NOT_SUPPORTED; *to = g->bus_width; return OK; }
rc_t nvmlDeviceGetMaxClockInfo(struct gpu *g, int clock, unsigned *to) { if (clock != 2 || !g->memory_clock) return NOT_SUPPORTED; *to = g->memory_clock; return OK; }
rc_t nvmlDeviceGetPersistenceMode(struct gpu *g, unsigned *to) { *to = g->persistence; return OK; }
rc_t nvmlDeviceGetEnforcedPowerLimit(struct gpu *g, unsigned *to) { *to = g->power_limit; return OK; }
rc_t nvmlDeviceGetVirtualizationMode(struct gpu *g, unsigned *to) { *to = (unsigned)g->virtualization; return OK; }

rc_t nvmlDeviceGetTopologyCommonAncestor(void *one, void *other, int *to) {
  (void)one; (void)other;
  if (topology < 0) return NOT_SUPPORTED;
  *to = topology;
  return OK;
}

struct process_info { unsigned pid; unsigned long long used; unsigned gi, ci; };
static rc_t processes_of(void *h, unsigned *room, struct process_info *to) {
  struct gpu *g = h;
  int i;
  if (as_mig(h)) { *room = 0; return OK; }
  if (*room < (unsigned)g->processes) { *room = (unsigned)g->processes; return TOO_SMALL; }
  for (i = 0; i < g->processes; i++) { to[i].pid = g->process[i].pid; to[i].used = g->process[i].used; to[i].gi = to[i].ci = ~0u; }
  *room = (unsigned)g->processes;
  return OK;
}
rc_t nvmlDeviceGetComputeRunningProcesses_v2(void *h, unsigned *room, struct process_info *to) { return processes_of(h, room, to); }
#ifndef NO_V2
rc_t nvmlDeviceGetComputeRunningProcesses_v3(void *h, unsigned *room, struct process_info *to) { return processes_of(h, room, to); }
#endif

rc_t nvmlDeviceGetMigMode(struct gpu *g, unsigned *current, unsigned *pending) {
  if (g->mig_mode < 0) return NOT_SUPPORTED;
  *current = *pending = (unsigned)g->mig_mode;
  return OK;
}
rc_t nvmlDeviceGetMaxMigDeviceCount(struct gpu *g, unsigned *to) { *to = g->mig_mode < 0 ? 0 : (unsigned)g->mig_slots; return OK; }
rc_t nvmlDeviceGetMigDeviceHandleByIndex(struct gpu *g, unsigned index, void **to) {
  if (index >= MAX_MIG || index >= (unsigned)g->mig_slots) return INVALID;
  if (g->mig_mode != 1 || !g->mig[index].used) return NOT_FOUND;
  *to = &g->mig[index];
  return OK;
}
rc_t nvmlDeviceIsMigDeviceHandle(void *h, unsigned *to) { *to = as_mig(h) != NULL; return OK; }
rc_t nvmlDeviceGetGpuInstanceId(void *h, unsigned *to) { struct mig *m = as_mig(h); if (!m) return INVALID; *to = (unsigned)m->gi; return OK; }
rc_t nvmlDeviceGetComputeInstanceId(void *h, unsigned *to) { struct mig *m = as_mig(h); if (!m) return INVALID; *to = (unsigned)m->ci; return OK; }
struct attributes { unsigned sm, copy, decode, encode, jpeg, ofa, gi_slices, ci_slices; unsigned long long memory_mb; };
rc_t nvmlDeviceGetAttributes_v2(void *h, struct attributes *to) {
  struct mig *m = as_mig(h);
  if (!m) return NOT_SUPPORTED;
  memset(to, 0, sizeof *to);
  to->memory_mb = m->size >> 20;
  return OK;
}

/* What a copy called libcuda.so.1 answers. */
int cuInit(unsigned flags) { (void)flags; read_configuration(); return OK; }
int cuDeviceGetByPCIBusId(int *to, const char *bus_id) {
  unsigned domain, bus, device, d, b, v;
  if (sscanf(bus_id, "%x:%x:%x", &domain, &bus, &device) != 3) return INVALID;
  for (*to = 0; *to < count; (*to)++)
    if (sscanf(gpus[*to].pci, "%x:%x:%x", &d, &b, &v) == 3 && d == domain && b == bus && v == device) return OK;
  return INVALID;
}
int cuDeviceGetAttribute(int *to, int attribute, int device) {
  if (attribute != 18 || device < 0 || device >= count || gpus[device].integrated < 0) return INVALID;
  *to = gpus[device].integrated == 1;
  return OK;
}
int cuDeviceTotalMem_v2(size_t *to, int device) {
  if (device < 0 || device >= count) return INVALID;
  *to = gpus[device].cuda_total ? gpus[device].cuda_total : gpus[device].total;
  return OK;
}
