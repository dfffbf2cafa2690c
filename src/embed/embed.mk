# The library for programs that embed Lua: librill.a, with the Lua files compiled in.  Included by
# the Makefile, which gives CC, ALL_CFLAGS, LUA_CFLAGS, BUILD, OBJECTS, the lists of objects, PREFIX
# and DESTDIR.

LD = ld
AR = ar
OBJCOPY = objcopy
LIBDIR = $(PREFIX)/lib
INCLUDEDIR = $(PREFIX)/include

LIBRARY := $(BUILD)/librill.a
EMBED_OBJECTS := $(OBJECTS)/embed/open.o $(OBJECTS)/embed/modules.o
EMBED_CFLAGS = $(ALL_CFLAGS) -Iinclude $(LUA_CFLAGS) -Wno-overlength-strings

.PHONY: lib install-lib always

lib: $(LIBRARY) ## build/LUA/librill.a for programs that embed Lua; its header is include/rill.h

# Written each time, since files of Lua come and go, and put in place if it says something new.
# Its name till then is this make's alone: others may run beside it.
$(OBJECTS)/embed/modules.c: always
	@mkdir -p $(@D)
	@new=$@.$$$$; scripts/embed.sh >$$new || exit 1; \
	if cmp -s $$new $@; then rm $$new; else mv $$new $@; fi

$(OBJECTS)/embed/modules.o: $(OBJECTS)/embed/modules.c
	$(CC) $(EMBED_CFLAGS) -MMD -MP -c -o $@ $<

$(OBJECTS)/embed/open.o: src/embed/open.c
	@mkdir -p $(@D)
	$(CC) $(EMBED_CFLAGS) -MMD -MP -c -o $@ $<

# One object, in which our names for each other are nobody else's: they cannot clash with a
# program's own.
$(OBJECTS)/rill.o: $(CORE_OBJECTS) $(NET_OBJECTS) $(BIND_OBJECTS) $(EMBED_OBJECTS)
	$(LD) -r -o $@ $^
	$(OBJCOPY) --localize-hidden $@

$(LIBRARY): $(OBJECTS)/rill.o
	@rm -f $@
	$(AR) rcs $@ $<

install-lib: $(LIBRARY) ## install librill.a, rill.h and rill.pc under PREFIX
	install -D -m 644 $(LIBRARY) "$(DESTDIR)$(LIBDIR)/librill.a"
	install -D -m 644 include/rill.h "$(DESTDIR)$(INCLUDEDIR)/rill.h"
	@mkdir -p "$(DESTDIR)$(LIBDIR)/pkgconfig"
	sed -e 's|@PREFIX@|$(PREFIX)|; s|@LIBDIR@|$(LIBDIR)|; s|@INCLUDEDIR@|$(INCLUDEDIR)|' \
	  -e "s|@LUA@|$(LUA_NAME)|; s|@VERSION@|$$(sed -n 's/.*version = "\(.*\)".*/\1/p' lua/rill/init.lua)|" \
	  src/embed/rill.pc.in >"$(DESTDIR)$(LIBDIR)/pkgconfig/rill.pc"
