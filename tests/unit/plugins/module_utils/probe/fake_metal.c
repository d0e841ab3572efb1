/* Copyright: (c) 2026, The llmfleet authors
 * GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The few entry points of libobjc and Metal that the probe calls, answering as a Mac Studio does: one device with unified memory
 * and a limit above 4 GiB, so that a result cut to 32 bits shows. Objects are small numbers; 7 is the array, 100 + n its entries.
 */
#include <stdint.h>
#include <string.h>

const char *sel_registerName(const char *name) { return name; }
void *MTLCopyAllDevices(void) { return (void *)7; }

uint64_t objc_msgSend(uintptr_t self, const char *selector, unsigned long argument) {
  if (!strcmp(selector, "count")) return self == 7 ? 1 : 0;
  if (!strcmp(selector, "objectAtIndex:")) return 100 + argument;
  if (self != 100 && strcmp(selector, "UTF8String")) return 0;
  if (!strcmp(selector, "name")) return 200;
  if (!strcmp(selector, "UTF8String")) return self == 200 ? (uint64_t)(uintptr_t)"Apple M2 Ultra" : 0;
  if (!strcmp(selector, "recommendedMaxWorkingSetSize")) return 154618822656ULL;
  if (!strcmp(selector, "hasUnifiedMemory")) return 1;
  return 0;
}

/* sysctlbyname of the same machine: a number of 8 bytes, one of 4, a text, and nothing else. */
int sysctlbyname(const char *name, void *to, size_t *size, void *new_value, size_t new_size) {
  static const uint64_t memory = 206158430208ULL;
  static const uint32_t one = 1;
  static const char brand[] = "Apple M2 Ultra";
  const void *value;
  size_t length;
  (void)new_value; (void)new_size;
  if (!strcmp(name, "hw.memsize")) value = &memory, length = sizeof memory;
  else if (!strcmp(name, "hw.optional.arm64")) value = &one, length = sizeof one;
  else if (!strcmp(name, "machdep.cpu.brand_string")) value = brand, length = sizeof brand;
  else return -1;
  if (to) memcpy(to, value, length);
  *size = length;
  return 0;
}
