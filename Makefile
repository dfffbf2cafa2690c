# rill: build, test, demo.  `make help` lists what there is.

# Which Lua: 5.4, 5.3, 5.1 or jit.
LUA = 5.4
# What the engine waits with: epoll or poll.
POLLER = epoll
# 1: an ASan and UBSan build, in a folder of its own, and specs under it.
SANITIZE =
# Where `make install` puts things; DESTDIR goes in front.
PREFIX = /usr/local
DESTDIR =
# What the demo asks, of which model and gateway; empty: the demo chooses.
PROMPT =
MODEL =
GATEWAY =
# Seconds for each fuzz target.
FUZZ_SECONDS = 60
# Order of the specs and random cuts; empty: a new one each time.
RILL_SEED =

CC = gcc
CLANG = clang
CFLAGS = -O2 -g
WARNINGS = -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wmissing-prototypes

# ------------------------------------------------------------------------------

ifeq ($(filter $(LUA),5.4 5.3 5.1 jit),)
$(error LUA=$(LUA) is none of 5.4, 5.3, 5.1 and jit)
endif
ifeq ($(filter $(POLLER),epoll poll),)
$(error POLLER=$(POLLER) is none of epoll and poll)
endif

# Debian's name of the Lua, which is also its interpreter's and pkg-config's.
LUA_NAME = $(if $(filter jit,$(LUA)),luajit,lua$(LUA))
# The version whose folders its modules live in.
LUA_VERSION = $(if $(filter jit,$(LUA)),5.1,$(LUA))

VARIANT := $(LUA)$(if $(filter poll,$(POLLER)),-poll)$(if $(SANITIZE),-san)
BUILD := build/$(VARIANT)
OBJECTS := $(BUILD)/objects
MODULE := $(BUILD)/rill/core.so

ifneq ($(SANITIZE),)
SANITIZERS := -fsanitize=address,undefined -fno-sanitize-recover=undefined -fno-omit-frame-pointer
# Lua unloads the module before leaks are looked for; what its libraries keep would count as lost.
KEEP_LOADED := -Wl,-z,nodelete
endif
ALL_CFLAGS = -std=c11 $(CFLAGS) -fPIC $(WARNINGS) $(if $(CI),-Werror) \
  -fvisibility=hidden $(SANITIZERS) -Isrc $(if $(filter poll,$(POLLER)),-DRILL_POLLER_POLL)
# Asked for when a recipe runs, so that `make demo` can install pkg-config first.
LUA_CFLAGS = $(shell pkg-config --cflags $(LUA_NAME))
CURL_CFLAGS = $(shell pkg-config --cflags libcurl)
CURL_LIBS = $(shell pkg-config --libs libcurl)

CORE_SOURCES := $(wildcard src/core/*.c)
NET_SOURCES := $(wildcard src/net/*.c)
BIND_SOURCES := $(wildcard src/bind/*.c)
object = $(patsubst src/%.c,$(OBJECTS)/%.o,$(1))
CORE_OBJECTS := $(call object,$(CORE_SOURCES))
NET_OBJECTS := $(call object,$(NET_SOURCES))
BIND_OBJECTS := $(call object,$(BIND_SOURCES))

CORE_TEST := $(BUILD)/core-test
CORE_TEST_OBJECTS := $(patsubst spec/core/%.c,$(OBJECTS)/core-test/%.o,$(wildcard spec/core/*.c))
FUZZERS := $(patsubst fuzz/fuzz_%.c,%,$(wildcard fuzz/fuzz_*.c))
C_FILES := $(wildcard include/*.h src/*/*.[ch] spec/*/*.[ch] fuzz/*.[ch] bench/*.[ch] examples/*/*.[ch])
LUA_FILES := $(shell find lua -name '*.lua')

.PHONY: all demo test test-all test-others test-starved core-test layers lint packages rockspec fuzz \
  fuzz-seeds bench install format clean help core-test-build checks-build
.DEFAULT_GOAL := all
.DELETE_ON_ERROR:

# A prompt is handed on as it was typed: never expanded by make, never read by a
# shell.  Not exporting the variables themselves keeps make from expanding them.
unexport PROMPT MODEL GATEWAY
export RILL_DEMO_PROMPT := $(value PROMPT)
export RILL_DEMO_MODEL := $(value MODEL)
export RILL_DEMO_GATEWAY := $(value GATEWAY)

all: $(MODULE) ## build the C module into build/LUA/rill/core.so

$(MODULE): $(CORE_OBJECTS) $(NET_OBJECTS) $(BIND_OBJECTS)
	@mkdir -p $(@D)
	$(CC) -shared $(SANITIZERS) $(KEEP_LOADED) -o $@ $^ $(LDFLAGS) $(CURL_LIBS) -lwslay -lz

$(OBJECTS)/core/%.o: src/core/%.c
	@mkdir -p $(@D)
	$(CC) $(ALL_CFLAGS) -MMD -MP -c -o $@ $<

$(OBJECTS)/net/%.o: src/net/%.c
	@mkdir -p $(@D)
	$(CC) $(ALL_CFLAGS) -D_GNU_SOURCE $(CURL_CFLAGS) -MMD -MP -c -o $@ $<

$(OBJECTS)/bind/%.o: src/bind/%.c
	@mkdir -p $(@D)
	$(CC) $(ALL_CFLAGS) -D_GNU_SOURCE $(LUA_CFLAGS) -MMD -MP -c -o $@ $<

$(OBJECTS)/core-test/%.o: spec/core/%.c
	@mkdir -p $(@D)
	$(CC) $(ALL_CFLAGS) -MMD -MP -c -o $@ $<

# The core's own tests link with libc, wslay and zlib alone: a breach cannot build.
$(CORE_TEST): $(CORE_TEST_OBJECTS) $(CORE_OBJECTS)
	$(CC) $(SANITIZERS) -o $@ $^ $(LDFLAGS) -lwslay -lz

# The load generator of specs that need many clients at once.
$(BUILD)/load: spec/support/load.c
	@mkdir -p $(@D)
	$(CC) -std=c11 $(CFLAGS) $(WARNINGS) $(if $(CI),-Werror) -o $@ $<

-include $(wildcard $(OBJECTS)/*/*.d)
include src/embed/embed.mk
-include spec/torture/torture.mk
include bench/bench.mk

demo: ## stream an answer to the terminal (PROMPT="..." MODEL=... GATEWAY=...)
	@scripts/setup.sh demo
	@$(MAKE) --no-print-directory -s all
	@scripts/demo.sh $(LUA_NAME) $(BUILD)

test: ## set up, build, run every check, C test and spec (LUA=, POLLER=, SANITIZE=1)
	@scripts/setup.sh test
	@scripts/test.sh core $(if $(filter 5.4,$(LUA)),torture-threads torture-bell \
	  $(if $(SANITIZE),torture-1of2+torture-2of2+checks, \
	    checks+torture$(if $(filter poll,$(POLLER)),,+instructions)),checks) \
	  $(LUA)$(if $(filter poll,$(POLLER)),-poll)$(if $(SANITIZE),-san)

test-all: test test-others ## the same with every Lua, POLLER=poll, valgrind and ThreadSanitizer

# What `make test` leaves out.
test-others:
	@scripts/setup.sh test
	@scripts/test.sh \
	  torture-valgrind-1of2+torture-valgrind-2of2+core-valgrind+torture-tsan+torture-bell-tsan \
	  5.3 5.1 jit 5.4-poll

# Specs that measure time must pass so too: CI's machine is shared.
RUNS ?= 5.4 jit
STARVE ?= 0.5 0.2
test-starved: build/starve ## RUNS (5.4 jit) while the processors are half of the time away; needs root
	@scripts/setup.sh test
	@build/starve $(STARVE) scripts/test.sh $(RUNS)

build/starve: spec/support/starve.c
	@mkdir -p $(@D)
	$(CC) -std=c11 $(CFLAGS) $(WARNINGS) $(if $(CI),-Werror) -pthread -o $@ $<

core-test-build: $(CORE_TEST)

checks-build: $(CORE_OBJECTS) $(NET_OBJECTS) $(BIND_OBJECTS) $(EMBED_OBJECTS) $(FUZZERS:%=build/fuzz/%)

core-test: ## the C tests of the core
	@scripts/test.sh core

layers: $(CORE_OBJECTS) $(NET_OBJECTS) $(BIND_OBJECTS) $(EMBED_OBJECTS) ## who may call whom
	@scripts/layers.sh $(OBJECTS)

lint: ## luacheck, and clang-format where it is installed
	luacheck --quiet --no-color $$(find lua spec examples bench scripts -name '*.lua')
	@if command -v clang-format >/dev/null && [ -n "$(C_FILES)" ]; then \
	  clang-format --dry-run -Werror $(C_FILES); fi

packages: ## scripts/packages.txt names all that is used, and nothing else
	@lua5.4 scripts/check_packages.lua

rockspec: ## the rockspec lists every source (WRITE=1: write the lists anew)
	@lua5.4 scripts/check_rockspec.lua $(if $(WRITE),--write)

build/fuzz/%: fuzz/fuzz_%.c $(CORE_SOURCES) $(wildcard src/core/*.h fuzz/*.h)
	@mkdir -p $(@D)
	$(CLANG) -std=c11 -O1 -g -fsanitize=fuzzer,address,undefined -fno-sanitize-recover=undefined \
	  -Isrc -Ifuzz -o $@ $< $(CORE_SOURCES) -lwslay -lz

fuzz-seeds: $(FUZZERS:%=build/fuzz/%) ## every fuzz target once over its seed corpus
	@for name in $(FUZZERS); do \
	  build/fuzz/$$name -runs=0 -artifact_prefix=build/fuzz/$$name- fuzz/corpus/$$name \
	    >build/fuzz/$$name.log 2>&1 || { cat build/fuzz/$$name.log; exit 1; }; done

# What a run finds stays under build/fuzz; the seeds in the tree stay as they are.
fuzz: $(FUZZERS:%=build/fuzz/%) ## each fuzz target for FUZZ_SECONDS seconds
	@for name in $(FUZZERS); do \
	  echo "fuzz $$name"; mkdir -p build/fuzz/$$name.found; \
	  build/fuzz/$$name -max_total_time=$(FUZZ_SECONDS) -print_final_stats=1 \
	    -artifact_prefix=build/fuzz/$$name- build/fuzz/$$name.found fuzz/corpus/$$name \
	    >build/fuzz/$$name.log 2>&1 || { tail -n 60 build/fuzz/$$name.log; exit 1; }; \
	  grep '^stat::' build/fuzz/$$name.log; done


install: $(MODULE) ## install under PREFIX (LUA= chooses the Lua)
	@for file in $(LUA_FILES); do \
	  install -D -m 644 "$$file" "$(DESTDIR)$(PREFIX)/share/lua/$(LUA_VERSION)/$${file#lua/}" || exit 1; done
	install -D -m 755 $(MODULE) "$(DESTDIR)$(PREFIX)/lib/lua/$(LUA_VERSION)/rill/core.so"

format: ## lay out the C files with clang-format
	clang-format -i $(C_FILES)

clean: ## remove build/
	rm -rf build

help: ## this list
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1	\2/p' $(MAKEFILE_LIST) | expand -t 22
