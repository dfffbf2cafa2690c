# The bench, for the Makefile to include.  It uses CC, BUILD, LUA_NAME, LUA_CFLAGS, CURL_CFLAGS,
# CURL_LIBS, CORE_OBJECTS and the target `all` of the Makefile.

ifndef BENCH_BUILD
# Where the programs of the bench go.
BENCH_BUILD := $(BUILD)/bench
endif
# What `make bench` is told: BENCH="--only short --repeats 1"; `bench/run.sh --help` lists it.
BENCH =

# Always with the same options, so that runs of different builds can be compared.
BENCH_CFLAGS = -std=c11 -O2 -g -Wall -Wextra -Wpedantic -Wshadow -Wconversion \
  -Wmissing-prototypes $(if $(CI),-Werror) -Isrc
BENCH_WRAP = -Wl,--wrap=malloc -Wl,--wrap=calloc -Wl,--wrap=realloc
BENCH_PROGRAMS := $(addprefix $(BENCH_BUILD)/,server floor ws_floor meter framing scan clock.so)

.PHONY: bench bench-resty bench-hosts bench-instructions bench-programs

bench: ## speed and memory beside other clients (BENCH="--help")
	@scripts/setup.sh bench
	@$(MAKE) --no-print-directory -s all bench-programs
	@BUILD=$(BENCH_BUILD) RILL_BUILD=$(BUILD) BENCH_LUA=$(LUA_NAME) bench/run.sh $(BENCH)
	@$(if $(BENCH),,$(MAKE) --no-print-directory -s bench-hosts bench-resty)

bench-instructions: ## instructions a delta by callgrind, with limits
	@scripts/setup.sh test
	@BUILD=$(BENCH_BUILD) RILL_BUILD=$(BUILD) BENCH_LUA=$(LUA_NAME) MAKE="$(MAKE)" \
	  bench/instructions.sh

bench-resty: ## nginx with Lua beside the plain script (BENCH="REPEATS STREAMS RATE SECONDS")
	@scripts/setup.sh bench
	@$(MAKE) --no-print-directory -s LUA=jit all bench-programs build/jit/load
	@LUA_PATH='./?.lua;;' $(LUA_NAME) bench/resty.lua $(BENCH)

bench-hosts: ## cqueues, luv, copas, Neovim and LÖVE (BENCH="REPEATS STREAMS RATE SECONDS")
	@scripts/setup.sh bench
	@$(MAKE) --no-print-directory -s LUA=jit all bench-programs
	@LUA_PATH='./?.lua;;' $(LUA_NAME) bench/hosts.lua $(BENCH)

bench-programs: $(BENCH_PROGRAMS)

BENCH_STREAMS := bench/chunks.c bench/chunks.h bench/formats.c bench/formats.h

$(BENCH_BUILD)/server: bench/server.c bench/reply.c bench/reply.h bench/frames.c bench/frames.h \
  bench/texts.c bench/texts.h $(BENCH_STREAMS) $(CORE_OBJECTS)
	@mkdir -p $(@D)
	$(CC) $(BENCH_CFLAGS) -o $@ $(filter %.c %.o,$^) -lwslay -lz

$(BENCH_BUILD)/meter: bench/meter.c
	@mkdir -p $(@D)
	$(CC) $(BENCH_CFLAGS) -o $@ $<

$(BENCH_BUILD)/floor: bench/floor.c bench/texts.c bench/texts.h
	@mkdir -p $(@D)
	$(CC) $(BENCH_CFLAGS) $(CURL_CFLAGS) -o $@ $(filter %.c,$^) $(CURL_LIBS)

$(BENCH_BUILD)/ws_floor: bench/ws_floor.c bench/texts.c bench/texts.h
	@mkdir -p $(@D)
	$(CC) $(BENCH_CFLAGS) $(CURL_CFLAGS) -o $@ $(filter %.c,$^) $(CURL_LIBS) -lwslay

$(BENCH_BUILD)/framing: bench/framing.c bench/frames.c bench/frames.h bench/chunks.c bench/chunks.h \
  $(CORE_OBJECTS)
	@mkdir -p $(@D)
	$(CC) $(BENCH_CFLAGS) $(BENCH_WRAP) -o $@ $(filter %.c %.o,$^) -lwslay -lz

$(BENCH_BUILD)/scan: bench/scan.c $(BENCH_STREAMS) $(CORE_OBJECTS)
	@mkdir -p $(@D)
	$(CC) $(BENCH_CFLAGS) -o $@ $(filter %.c %.o,$^) -lwslay -lz

$(BENCH_BUILD)/clock.so: bench/clock.c
	@mkdir -p $(@D)
	$(CC) $(BENCH_CFLAGS) $(LUA_CFLAGS) -fPIC -shared -o $@ $<
