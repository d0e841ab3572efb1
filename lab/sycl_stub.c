/* Copyright: (c) 2026, The llmfleet authors
 * GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Stands where the real SYCL backend of the lab's Ollama would stand: it has no devices, so Ollama
 * takes its CPU backend instead of aborting on a machine without an Intel GPU.
 * It also lets 0.9.3 load models with the context that it is told: that build goes by a variable of its own.
 */
#include <stddef.h>
#include <string.h>

#define OLLAMAS "OLLAMA_CONTEXT_LENGTH="
#define INTELS "OLLAMA_NUM_CTX="

/* Runs before the server's own start. Go reads the environment where the kernel laid it, so the name is changed in that very place. */
__attribute__((constructor)) static void tell_the_context(int count, char **arguments, char **environment)
{
    (void)count;
    (void)arguments;
    for (; environment && *environment; environment++)
        if (strncmp(*environment, OLLAMAS, sizeof OLLAMAS - 1) == 0) {
            char *value = *environment + sizeof OLLAMAS - 1;
            memcpy(*environment, INTELS, sizeof INTELS - 1);
            memmove(*environment + sizeof INTELS - 1, value, strlen(value) + 1);
        }
}

void *ggml_backend_sycl_reg(void) { return NULL; }
void *ggml_backend_sycl_init(int device) { (void)device; return NULL; }
void *ggml_backend_sycl_buffer_type(int device) { (void)device; return NULL; }
int ggml_backend_sycl_get_device_count(void) { return 0; }
void ggml_backend_sycl_get_device_name(int device, char *name, size_t size) { (void)device; if (size) name[0] = '\0'; }
void ggml_backend_sycl_get_device_description(int device, char *text, size_t size) { (void)device; if (size) text[0] = '\0'; }
