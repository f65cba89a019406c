// Host objects that plans made in this process find by number. A plan of a file finds none: numbers are never given out twice.
#ifndef MILLSTREAM_PROGRAM_KEPT_HOSTS_H_
#define MILLSTREAM_PROGRAM_KEPT_HOSTS_H_

#include <cstdint>

#include "memory/objects.h"

namespace millstream {

// Keeps `host` until the process ends; returns the number by which `host_kept` gives it.
int64_t keep_host(Ref<Object> host);

}  // namespace millstream

#endif
