/* Copyright: (c) 2026, The llmfleet authors
 * GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Stands where the real SYCL backend of the lab's Ollama would stand: it has no devices, so Ollama
 * takes its CPU backend instead of aborting on a machine without an Intel GPU.
 */
#include <stddef.h>

void *ggml_backend_sycl_reg(void) { return NULL; }
void *ggml_backend_sycl_init(int device) { (void)device; return NULL; }
void *ggml_backend_sycl_buffer_type(int device) { (void)device; return NULL; }
int ggml_backend_sycl_get_device_count(void) { return 0; }
void ggml_backend_sycl_get_device_name(int device, char *name, size_t size) { (void)device; if (size) name[0] = '\0'; }
void ggml_backend_sycl_get_device_description(int device, char *text, size_t size) { (void)device; if (size) text[0] = '\0'; }
