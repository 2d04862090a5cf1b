/* SPDX-License-Identifier: Apache-2.0
 * env: SYNCLESS_FILES=offload
 *
 * What a worker does in the place of a coroutine is what the call would have done.
 */
#include "diff/file_cases.h"
