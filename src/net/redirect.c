/* SPDX-License-Identifier: MIT
 *
 * libcurl is not asked to follow redirects: it would carry custom headers, and
 * a key may stand in any of them, to another origin.  Includes curl.h and net.
 */
#include "redirect.h"

/* Redirects within one origin that one transfer follows. */
#define REDIRECTS_MAX 5

/* Whether scheme, host and port are the same; only then may the key go. */
static CURLUcode compare_origins(CURLU *here, CURLU *there, bool *same) {
  static const CURLUPart parts[] = {CURLUPART_SCHEME, CURLUPART_HOST,
                                    CURLUPART_PORT};
  CURLUcode code = CURLUE_OK;
  *same = true;
  for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++) {
    char *a = NULL;
    char *b = NULL;
    code = curl_url_get(here, parts[i], &a, CURLU_DEFAULT_PORT);
    if (code == CURLUE_OK) {
      code = curl_url_get(there, parts[i], &b, CURLU_DEFAULT_PORT);
    }
    *same = *same && code == CURLUE_OK && strcmp(a, b) == 0;
    curl_free(a);
    curl_free(b);
    if (code != CURLUE_OK) {
      break;
    }
  }
  return code;
}

/* RILL_OK: the redirect stays within the origin of the request, and its URL has
 * been taken over.  RILL_INVALID: it does not.  Or RILL_NO_MEMORY. */
static enum rill_status take_over(struct rill_transfer *transfer,
                                  const char *to) {
  bool same = false;
  char *whole = NULL;
  CURLU *here = curl_url();
  CURLU *there = NULL;
  CURLUcode code = here == NULL
                       ? CURLUE_OUT_OF_MEMORY
                       : curl_url_set(here, CURLUPART_URL, transfer->url, 0);
  if (code == CURLUE_OK) {
    there = curl_url_dup(here); /* what `to` is relative to, if it is */
    code = there == NULL ? CURLUE_OUT_OF_MEMORY
                         : curl_url_set(there, CURLUPART_URL, to, 0);
  }
  if (code == CURLUE_OK) {
    code = compare_origins(here, there, &same);
  }
  if (code == CURLUE_OK) {
    code = curl_url_get(there, CURLUPART_URL, &whole, 0);
  }
  enum rill_status status =
      code == CURLUE_OUT_OF_MEMORY ? RILL_NO_MEMORY : RILL_INVALID;
  if (code == CURLUE_OK && same) {
    status = rill_string_set(&transfer->url, whole, strlen(whole));
  }
  curl_free(whole);
  curl_url_cleanup(there);
  curl_url_cleanup(here);
  return status;
}

bool rill_redirect_follow(struct rill_transfer *transfer, const char *to) {
  struct rill_span location =
      rill_headers_get(rill_bytes_span(&transfer->headers), "location");
  bool repeats = transfer->status == 307 || transfer->status == 308;
  /* What follows the path may be a secret of somebody's session. */
  size_t shown = to != NULL ? strcspn(to, "?#") : 0;
  int length = (int)(shown < 120 ? shown : 120);
  if (to == NULL && location.len > 0) {
    rill_transfer_note_no_memory(
        transfer, "headers"); /* libcurl could not make a URL of it */
    return false;
  }
  if (to == NULL || !repeats) {
    rill_transfer_note_failure(transfer, "protocol", "headers", false,
                               "it redirects to %.*s; a request is repeated "
                               "only on 307 and 308",
                               to != NULL ? length : 7,
                               to != NULL ? to : "nowhere");
    return false;
  }
  if (transfer->redirects >= REDIRECTS_MAX) {
    rill_transfer_note_failure(transfer, "protocol", "headers", false,
                               "more than %d redirects", REDIRECTS_MAX);
    return false;
  }
  enum rill_status status = take_over(transfer, to);
  if (status == RILL_NO_MEMORY) {
    rill_transfer_note_no_memory(transfer, "headers");
    return false;
  }
  if (status != RILL_OK) {
    rill_transfer_note_failure(
        transfer, "protocol", "headers", false,
        "refused a redirect to another origin, %.*s: it would be handed the "
        "key; set base_url if it is right",
        length, to);
    return false;
  }
  transfer->redirects++;
  return true;
}
