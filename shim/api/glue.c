/* SPDX-License-Identifier: Apache-2.0
 *
 * The one door between the shim and the module _syncless; see glue.h.
 */
#include "glue.h"
#include "base.h"
#include "greenlet.h"
#include "settings.h"

EXPORT const struct glue_calls *syncless_glue(int version, const struct glue_hooks *hooks)
{
	if (version != SYNCLESS_GLUE_VERSION || !settings.enabled)
		return NULL;
	return greenlet_connect(hooks);
}
