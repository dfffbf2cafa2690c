/* SPDX-License-Identifier: MIT
 *
 * Header lines, the several forms of Retry-After, HTTP dates and durations.
 * Includes libc and bytes.h; owns nothing, and knows neither clock nor locale.
 */
#include "headers.h"

enum { US_PER_MS = 1000, US_PER_S = 1000000 };

/* No server can mean more than this (about 31 years): longer times are clamped
 * to it, so that sums of a few of them cannot overflow. */
static const int64_t longest_us = INT64_C(1000000000) * US_PER_S;

static bool is_digit(char c) {
  return c >= '0' && c <= '9';
}

static char lower(char c) {
  return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

static bool is_blank(char c) {
  return c == ' ' || c == '\t';
}

static struct rill_span trimmed(const char *from, const char *end) {
  while (from < end && is_blank(*from)) {
    from++;
  }
  while (end > from && is_blank(end[-1])) {
    end--;
  }
  struct rill_span span = {from, (size_t)(end - from)};
  return span;
}

/* Whether the line begins with this name and a colon (RFC 9112, section 5.1:
 * nothing may stand between them). */
static bool has_name(const char *line, size_t len, const char *name,
                     size_t name_len) {
  if (len <= name_len || line[name_len] != ':') {
    return false;
  }
  for (size_t i = 0; i < name_len; i++) {
    if (lower(line[i]) != lower(name[i])) {
      return false;
    }
  }
  return true;
}

bool rill_headers_each(struct rill_span *block, const char *name,
                       struct rill_span *value) {
  size_t name_len = strlen(name);
  while (block->len > 0) {
    const char *line = block->data;
    const char *lf = memchr(line, '\n', block->len);
    size_t len = lf != NULL ? (size_t)(lf - line) : block->len;
    size_t whole = lf != NULL ? len + 1 : len;
    block->data += whole;
    block->len -= whole;
    if (name_len > 0 && has_name(line, len, name, name_len)) {
      const char *end = line + len;
      if (end[-1] == '\r') {
        end--;
      }
      *value = trimmed(line + name_len + 1, end);
      return true;
    }
  }
  return false;
}

struct rill_span rill_headers_get(struct rill_span block, const char *name) {
  struct rill_span value = {NULL, 0};
  (void)rill_headers_each(&block, name, &value);
  return value;
}

struct rill_span rill_headers_request_id(struct rill_span block) {
  static const char *const names[] = {"x-request-id", "request-id",
                                      "apim-request-id", "x-generation-id",
                                      "cf-ray"};
  struct rill_span value = {NULL, 0};
  for (size_t i = 0; value.len == 0 && i < sizeof names / sizeof *names; i++) {
    value = rill_headers_get(block, names[i]);
  }
  return value;
}

/* Reads "12", "12.5" or ".5" at *p and leaves *p behind it; the number times
 * unit, clamped, or -1 if there is no digit.  Parts of a microsecond are
 * dropped digit by digit. */
static int64_t take_decimal(const char **p, const char *end, int64_t unit) {
  const char *at = *p;
  bool has_digits = false;
  int64_t whole = 0;
  for (; at < end && is_digit(*at); at++) {
    has_digits = true;
    if (whole < longest_us) {
      whole = whole * 10 + (*at - '0');
    }
  }
  int64_t part = 0;
  if (at < end && *at == '.') {
    int64_t place = unit;
    for (at++; at < end && is_digit(*at); at++) {
      has_digits = true;
      part += place * (*at - '0') / 10;
      place /= 10;
    }
  }
  if (!has_digits) {
    return -1;
  }
  *p = at;
  if (whole > longest_us / unit) {
    return longest_us;
  }
  int64_t sum = whole * unit + part;
  return sum < longest_us ? sum : longest_us;
}

static int64_t plain_number(struct rill_span text, int64_t unit) {
  if (text.len == 0) {
    return -1;
  }
  const char *p = text.data;
  const char *end = p + text.len;
  int64_t value = take_decimal(&p, end, unit);
  return p == end ? value : -1;
}

/* A cursor over a date: each take_ returns a sign of failure once anything did
 * not fit, so a whole form can be read first and judged once. */
struct cursor {
  const char *p;
  const char *end;
  bool failed;
};

static void take_text(struct cursor *c, const char *text) {
  size_t len = strlen(text);
  if (c->failed || (size_t)(c->end - c->p) < len ||
      memcmp(c->p, text, len) != 0) {
    c->failed = true;
    return;
  }
  c->p += len;
}

static int take_digits(struct cursor *c, int count) {
  int value = 0;
  for (int i = 0; i < count; i++) {
    if (c->failed || c->p == c->end || !is_digit(*c->p)) {
      c->failed = true;
      return 0;
    }
    value = value * 10 + (*c->p++ - '0');
  }
  return value;
}

/* The place of the next three letters in a row of three-letter names. */
static int take_name(struct cursor *c, const char *names) {
  for (int i = 0; !c->failed && names[i * 3] != '\0'; i++) {
    if (c->end - c->p >= 3 && memcmp(c->p, names + i * 3, 3) == 0) {
      c->p += 3;
      return i;
    }
  }
  c->failed = true;
  return 0;
}

struct date {
  int year;
  int month; /* 0..11 */
  int day;
  int hour;
  int minute;
  int second;
};

static const char day_names[] = "MonTueWedThuFriSatSun";
static const char month_names[] = "JanFebMarAprMayJunJulAugSepOctNovDec";

static void take_clock(struct cursor *c, struct date *date) {
  date->hour = take_digits(c, 2);
  take_text(c, ":");
  date->minute = take_digits(c, 2);
  take_text(c, ":");
  date->second = take_digits(c, 2);
}

/* "Sun, 06 Nov 1994 08:49:37 GMT" */
static bool read_imf_date(struct rill_span text, struct date *date) {
  struct cursor c = {text.data, text.data + text.len, false};
  take_name(&c, day_names);
  take_text(&c, ", ");
  date->day = take_digits(&c, 2);
  take_text(&c, " ");
  date->month = take_name(&c, month_names);
  take_text(&c, " ");
  date->year = take_digits(&c, 4);
  take_text(&c, " ");
  take_clock(&c, date);
  take_text(&c, " GMT");
  return !c.failed && c.p == c.end;
}

/* "Sunday, 06-Nov-94 08:49:37 GMT"; the year is left with two digits */
static bool read_rfc850_date(struct rill_span text, struct date *date) {
  static const char *const rests[] = {"day", "sday",  "nesday", "rsday",
                                      "day", "urday", "day"};
  struct cursor c = {text.data, text.data + text.len, false};
  take_text(&c, rests[take_name(&c, day_names)]);
  take_text(&c, ", ");
  date->day = take_digits(&c, 2);
  take_text(&c, "-");
  date->month = take_name(&c, month_names);
  take_text(&c, "-");
  date->year = take_digits(&c, 2);
  take_text(&c, " ");
  take_clock(&c, date);
  take_text(&c, " GMT");
  return !c.failed && c.p == c.end;
}

/* "Sun Nov  6 08:49:37 1994" */
static bool read_asctime_date(struct rill_span text, struct date *date) {
  struct cursor c = {text.data, text.data + text.len, false};
  take_name(&c, day_names);
  take_text(&c, " ");
  date->month = take_name(&c, month_names);
  take_text(&c, " ");
  if (!c.failed && c.p < c.end && *c.p == ' ') {
    c.p++;
    date->day = take_digits(&c, 1);
  } else {
    date->day = take_digits(&c, 2);
  }
  take_text(&c, " ");
  take_clock(&c, date);
  take_text(&c, " ");
  date->year = take_digits(&c, 4);
  return !c.failed && c.p == c.end;
}

/* Days from 1970-01-01 in the Gregorian calendar.  Years are counted from March
 * on, so that a leap day is the last of its year. */
static int64_t days_since_epoch(const struct date *date) {
  int64_t year = date->month < 2 ? date->year - 1 : date->year;
  int64_t month = (date->month + 10) % 12;
  int64_t day = (153 * month + 2) / 5 + date->day - 1;
  int64_t leaps = year / 4 - year / 100 + year / 400;
  return year * 365 + leaps + day - 719468;
}

static bool is_real_date(const struct date *date) {
  static const int lengths[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
  bool leap =
      date->year % 4 == 0 && (date->year % 100 != 0 || date->year % 400 == 0);
  int length = lengths[date->month] + (leap && date->month == 1 ? 1 : 0);
  return date->year > 0 && date->day >= 1 && date->day <= length &&
         date->hour <= 23 && date->minute <= 59 && date->second <= 60;
}

static int64_t unix_seconds(const struct date *date) {
  return days_since_epoch(date) * 86400 + date->hour * 3600 +
         date->minute * 60 + date->second;
}

/* RFC 9110, section 5.6.7: a two-digit year that seems to lie more than 50
 * years ahead is the latest such year in the past.  now_s is a plausible time.
 */
static void complete_year(struct date *date, int64_t now_s) {
  const int64_t year_s = 31556952;
  int64_t this_year = 1970 + now_s / year_s;
  int64_t year = this_year - this_year % 100 + date->year;
  if (year > this_year + 50) {
    year -= 100;
  } else if (year <= this_year - 50) {
    year += 100;
  }
  date->year = (int)year;
}

/* The wait until the date, or -1 if the text is none. */
static int64_t until_date(struct rill_span text, int64_t now_s) {
  const int64_t year_9999 = INT64_C(253402300799);
  struct date date;
  if (now_s < 0) {
    now_s = 0;
  } else if (now_s > year_9999) {
    now_s = year_9999;
  }
  if (text.len == 0) {
    return -1;
  }
  if (read_rfc850_date(text, &date)) {
    complete_year(&date, now_s);
  } else if (!read_imf_date(text, &date) && !read_asctime_date(text, &date)) {
    return -1;
  }
  if (!is_real_date(&date)) {
    return -1;
  }
  int64_t wait_s = unix_seconds(&date) - now_s;
  if (wait_s <= 0) {
    return 0;
  }
  return wait_s < longest_us / US_PER_S ? wait_s * US_PER_S : longest_us;
}

int64_t rill_seconds_read(struct rill_span text) {
  return plain_number(text, US_PER_S);
}

int64_t rill_headers_retry_after(struct rill_span block, int64_t now_s) {
  int64_t wait =
      plain_number(rill_headers_get(block, "retry-after-ms"), US_PER_MS);
  if (wait < 0) {
    wait =
        plain_number(rill_headers_get(block, "x-ms-retry-after-ms"), US_PER_MS);
  }
  if (wait < 0) {
    struct rill_span value = rill_headers_get(block, "retry-after");
    wait = plain_number(value, US_PER_S);
    if (wait < 0) {
      wait = until_date(value, now_s);
    }
  }
  return wait;
}
