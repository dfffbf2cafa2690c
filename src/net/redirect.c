/* SPDX-License-Identifier: MIT
 *
 * libcurl is not asked to follow redirects: it would carry custom headers, and
 * a key may stand in any of them, to another origin.  Includes curl.h and net.
 */
#include "redirect.h"

/* Redirects within one origin that one transfer follows. */
#define REDIRECTS_MAX 5

/* Whether a redirect stays within the origin of the request: only there may the
 * key go.  Takes over the new URL if so. */
static bool take_over(struct rill_transfer *transfer, const char *to) {
  static const CURLUPart parts[] = {CURLUPART_SCHEME, CURLUPART_HOST,
                                    CURLUPART_PORT};
  CURLU *here = curl_url();
  CURLU *there = curl_url();
  bool same =
      here != NULL && there != NULL &&
      curl_url_set(here, CURLUPART_URL, transfer->url, 0) == CURLUE_OK &&
      curl_url_set(there, CURLUPART_URL, to, 0) == CURLUE_OK;
  for (size_t i = 0; i < sizeof parts / sizeof parts[0] && same; i++) {
    char *a = NULL;
    char *b = NULL;
    same = curl_url_get(here, parts[i], &a, CURLU_DEFAULT_PORT) == CURLUE_OK &&
           curl_url_get(there, parts[i], &b, CURLU_DEFAULT_PORT) == CURLUE_OK &&
           strcmp(a, b) == 0;
    curl_free(a);
    curl_free(b);
  }
  curl_url_cleanup(here);
  curl_url_cleanup(there);
  return same && rill_string_set(&transfer->url, to, strlen(to)) == RILL_OK;
}

bool rill_redirect_follow(struct rill_transfer *transfer, const char *to) {
  bool repeats = transfer->status == 307 || transfer->status == 308;
  /* What follows the path may be a secret of somebody's session. */
  size_t shown = to != NULL ? strcspn(to, "?#") : 0;
  int length = (int)(shown < 120 ? shown : 120);
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
  if (!take_over(transfer, to)) {
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
