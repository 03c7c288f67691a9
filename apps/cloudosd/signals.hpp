#pragma once

namespace cloudosd {

/// The process's signals, turned into events for one thread. One of these in a process, for life.
///
/// Handlers and not masks or SIG_IGN: those would be inherited by QEMU and dnsmasq. A second
/// SIGTERM or SIGINT ends the program at once.
class Signals final {
 public:
  enum class Event {
    Stop,    ///< SIGTERM, SIGINT
    Reload,  ///< SIGHUP
    Dump,    ///< SIGUSR1
  };
  Signals();
  Signals(const Signals&) = delete;
  Signals& operator=(const Signals&) = delete;
  /// Waits for the next one. Several of a kind that came meanwhile are one; a stop comes first.
  Event next();
};

}  // namespace cloudosd
