// Runs the kit on core.scalar.wasm as wasm2c made it C (runtimes/kit/README.md; the interface: assembly/README.md).
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "core_scalar.h"

static Z_core_scalar_instance_t core;
static uint32_t base;
static char *words[8192]; // of the line at hand
static char name[64];

static void fail(const char *what, long number) {
  fprintf(stderr, "error: %s %s: %s %ld\n", name, words[1] ? words[1] : "", what, number);
  exit(2);
}

// The eight bytes at an address, as the number that they are in little-endian order. wasm2c keeps the memory of a big-endian
// machine from its end to its beginning.
static uint64_t *at(uint32_t address) {
  wasm_rt_memory_t *memory = Z_core_scalarZ_memory(&core);
#if WABT_BIG_ENDIAN
  return (uint64_t *)(memory->data + memory->size - address - 8);
#else
  return (uint64_t *)(memory->data + address);
#endif
}

static double number(uint64_t word) {
  double value;
  memcpy(&value, &word, 8);
  return value;
}

static uint32_t I(int k) { // argument k as a count or an address
  const char *text = words[2 + k];
  return *text == '@' ? base + (uint32_t)strtoul(text + 1, NULL, 10) : (uint32_t)strtoul(text, NULL, 10);
}

static double D(int k) { return number(strtoull(words[2 + k] + 1, NULL, 16)); }

#define CALL(function, ...) \
  if (strcmp(words[1], #function) == 0) return Z_core_scalarZ_##function(&core, __VA_ARGS__);

static uint32_t call(void) {
  CALL(exp, I(0), I(1), I(2))
  CALL(log, I(0), I(1), I(2))
  CALL(sigmoid, I(0), I(1), I(2))
  CALL(range, I(0), I(1), I(2))
  CALL(moments, I(0), I(1), D(2), D(3), I(4))
  CALL(momentsOfPresent, I(0), I(1), I(2), D(3), D(4), I(5))
  CALL(momentsOfIndicator, I(0), I(1), I(2))
  CALL(pack, I(0), I(1), D(2), D(3), I(4), I(5), I(6))
  CALL(packIndicator, I(0), I(1), I(2), D(3), D(4), I(5), I(6), I(7))
  CALL(logits, I(0), I(1), I(2), I(3), I(4))
  CALL(contributions, I(0), I(1), I(2), I(3), I(4))
  CALL(sum, I(0), I(1), D(2), I(3))
  CALL(score, I(0), I(1), I(2), D(3), I(4))
  CALL(weightedScore, I(0), I(1), I(2), I(3), D(4), D(5), I(6))
  CALL(gradient, I(0), I(1), I(2), I(3), I(4), I(5), I(6), D(7), I(8))
  CALL(weightedGradient, I(0), I(1), I(2), I(3), I(4), D(5), I(6), I(7), I(8), D(9), I(10))
  CALL(descend, I(0), I(1), I(2), I(3), I(4), I(5), I(6), D(7), D(8), I(9))
  CALL(weightedDescend, I(0), I(1), I(2), I(3), I(4), D(5), I(6), I(7), I(8), D(9), D(10), I(11))
  CALL(sha256, I(0), I(1), I(2), I(3), I(4))
  return 99;
}

static void begin(uint64_t bytes) {
  Z_core_scalar_instantiate(&core);
  if (Z_core_scalarZ_abi(&core) != 1) fail("this host knows interface 1, the core has", Z_core_scalarZ_abi(&core));
  base = Z_core_scalarZ_heapBase(&core);
  wasm_rt_memory_t *memory = Z_core_scalarZ_memory(&core);
  int64_t missing = (int64_t)(base + bytes) - (int64_t)memory->size;
  if (missing > 0 && wasm_rt_grow_memory(memory, (missing + 65535) / 65536) == (uint32_t)-1) {
    fail("there is no memory for so many bytes:", bytes);
  }
}

int main(int count, char **arguments) {
  clock_t start = clock();
  FILE *kit = count > 1 ? fopen(arguments[count - 1], "r") : NULL; // the core is compiled in
  if (kit == NULL) fail("cannot open the kit", count);
  static char line[1 << 20];
  int code = 0, is_first = 1;
  wasm_rt_init();
  Z_core_scalar_init_module();
  while (fgets(line, sizeof line, kit)) {
    int n = 0;
    for (char *word = strtok(line, " \n"); word; word = strtok(NULL, " \n")) words[n++] = word;
    if (n < 3 || words[0][0] == '#') continue;
    int is_put = strcmp(words[0], "put") == 0, is_raw = strcmp(words[0], "raw") == 0;
    if (strcmp(words[0], "case") == 0) {
      snprintf(name, sizeof name, "%s", words[1]);
      begin(strtoull(words[2], NULL, 10));
    } else if (strcmp(words[0], "call") == 0) {
      uint32_t status = call();
      if (status != 0) fail("status", status);
    } else if (is_put || is_raw) {
      for (int k = 3; k < n; k++) {
        uint64_t word = strtoull(words[k], NULL, 16);
        if (is_put && !isfinite(number(word))) fail("a value is not finite, place", k - 3);
        memcpy(at(base + strtoul(words[2], NULL, 10) + 8 * (k - 3)), &word, 8);
      }
    } else {
      if (is_first) printf("first %.1f\n", 1000.0 * (clock() - start) / CLOCKS_PER_SEC);
      is_first = 0;
      int k = 3;
      uint64_t got = 0;
      for (; k < n; k++) {
        memcpy(&got, at(base + strtoul(words[2], NULL, 10) + 8 * (k - 3)), 8);
        if (got != strtoull(words[k], NULL, 16)) break;
      }
      if (k == n) printf("equal %s %s\n", name, words[1]);
      else printf("different %s %s %d %016llx %s\n", name, words[1], k - 3, (unsigned long long)got, words[k]);
      code |= k < n;
    }
  }
  return code;
}
