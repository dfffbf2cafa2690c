# Memory that runs out and Lua states in several threads.  Included by the Makefile, which gives CC,
# ALL_CFLAGS, LUA_CFLAGS, LDFLAGS, BUILD, OBJECTS, the lists of sources and objects, EMBED_OBJECTS and
# CURL_LIBS.
# The programs hold a Lua of their own: they are for LUA=5.4 and LUA=5.3.

TORTURE := spec/torture
TORTURE_CFLAGS = $(ALL_CFLAGS) -Iinclude -D_GNU_SOURCE $(LUA_CFLAGS) $(CURL_CFLAGS)
TORTURE_LIBS = $(CURL_LIBS) $(shell pkg-config --libs $(LUA_NAME)) -lssl -lcrypto -lwslay -lz -lm -lpthread
TORTURE_OBJECTS = $(OBJECTS)/torture/server.o $(OBJECTS)/torture/frames.o $(OBJECTS)/torture/wire.o \
  $(CORE_OBJECTS) $(NET_OBJECTS) $(BIND_OBJECTS)
TORTURE_WRAP := -Wl,--wrap=malloc,--wrap=calloc,--wrap=realloc,--wrap=strdup,--wrap=free
# Every how many allocations one fails under valgrind.
TORTURE_STRIDE = 11
TORTURE_TLS_STRIDE = 2111
# Which part of the scenarios of so many: 2/3 is the second of three.
TORTURE_PART = 1/1

.PHONY: torture torture-build torture-certificate torture-valgrind torture-threads torture-tsan torture-bell \
  torture-bell-tsan torture-tsan-build torture-bell-tsan-build

$(OBJECTS)/torture/%.o: $(TORTURE)/%.c
	@mkdir -p $(@D)
	$(CC) $(TORTURE_CFLAGS) -MMD -MP -c -o $@ $<

$(BUILD)/oom: $(OBJECTS)/torture/oom.o $(TORTURE_OBJECTS)
	$(CC) $(SANITIZERS) $(TORTURE_WRAP) -o $@ $^ $(LDFLAGS) $(TORTURE_LIBS)

$(BUILD)/threads: $(OBJECTS)/torture/threads.o $(TORTURE_OBJECTS) $(EMBED_OBJECTS)
	$(CC) $(SANITIZERS) -o $@ $^ $(LDFLAGS) $(TORTURE_LIBS)

$(BUILD)/bell: $(TORTURE)/bell.c src/net/bell.c src/net/bell.h
	@mkdir -p $(@D)
	$(CC) $(TORTURE_CFLAGS) -o $@ $(filter %.c,$^) -lpthread

$(BUILD)/bell-tsan: $(TORTURE)/bell.c src/net/bell.c src/net/bell.h
	@mkdir -p $(@D)
	$(CC) $(filter-out $(SANITIZERS),$(TORTURE_CFLAGS)) -fsanitize=thread -o $@ $(filter %.c,$^) \
	  -lpthread

# Everything of ours anew, with the sanitizer; the libraries stay as they are.
$(BUILD)/threads-tsan: $(TORTURE)/threads.c $(TORTURE)/server.c $(TORTURE)/frames.c $(TORTURE)/wire.c $(CORE_SOURCES) $(NET_SOURCES) \
  $(BIND_SOURCES) src/embed/open.c $(OBJECTS)/embed/modules.c $(wildcard src/*/*.h $(TORTURE)/*.h)
	@mkdir -p $(@D)
	$(CC) $(filter-out $(SANITIZERS),$(TORTURE_CFLAGS)) -Wno-overlength-strings -fsanitize=thread -o $@ $(filter %.c,$^) \
	  $(LDFLAGS) $(TORTURE_LIBS)

torture-build: $(BUILD)/oom $(BUILD)/threads $(BUILD)/bell torture-certificate

# One for localhost and one of a stranger, which are good for two days.  What runs beside others
# finds those of the day.
torture-certificate:
	@mkdir -p $(BUILD)/certificate/stranger
	@for folder in . stranger; do \
	  [ -n "$$(find $(BUILD)/certificate/$$folder -maxdepth 1 -name cert.pem -mmin -1000)" ] || \
	    lua5.4 -e "require('spec.support.certificate').make('$(BUILD)/certificate/$$folder')"; done

torture-tsan-build: $(BUILD)/threads-tsan

torture-bell-tsan-build: $(BUILD)/bell-tsan

torture: torture-build ## memory that runs out, at every allocation
	$(BUILD)/oom --part $(TORTURE_PART) --tls $(BUILD)/certificate $(TORTURE)/oom.lua

torture-valgrind: torture-build ## the same under valgrind, at every TORTURE_STRIDE-th
	valgrind -q --leak-check=full --error-exitcode=1 \
	  $(BUILD)/oom --stride $(TORTURE_STRIDE) --tls-stride $(TORTURE_TLS_STRIDE) --part $(TORTURE_PART) \
	  --tls $(BUILD)/certificate $(TORTURE)/oom.lua

torture-threads: torture-build ## several Lua states, in one thread and in several
	$(BUILD)/threads $(TORTURE)

torture-tsan: $(BUILD)/threads-tsan ## the same under ThreadSanitizer
	TSAN_OPTIONS=exitcode=66 \
	  $(BUILD)/threads-tsan $(TORTURE)

torture-bell: torture-build ## the bell of hosts that cannot wait for a descriptor
	$(BUILD)/bell

torture-bell-tsan: $(BUILD)/bell-tsan ## the same under ThreadSanitizer
	TSAN_OPTIONS=exitcode=66 $(BUILD)/bell-tsan
