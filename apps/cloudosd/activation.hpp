#pragma once
#include <string>
#include <vector>

#include "cloudos/result.hpp"
#include "cloudosd/server.hpp"

namespace cloudosd {

/// The sockets that a service manager opened for this process (LISTEN_FDS, LISTEN_PID,
/// LISTEN_FDNAMES), as places to listen at; none when it opened none. The variables are cleared and
/// the descriptors are kept from children.
///
/// A socket named "http" or "https" (FileDescriptorName=) speaks that; any other speaks https if
/// `tls`. Errors: InvalidArgument (a descriptor that is no listening TCP socket; the message names
/// it).
cloudos::Result<std::vector<Listen>> take_passed_sockets(bool tls);

}  // namespace cloudosd
