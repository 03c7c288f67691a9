#pragma once
#include <chrono>
#include <optional>
#include <string>
#include <string_view>

namespace cloudosd {

/// Tells a service manager how the program is doing: the datagrams of systemd's sd_notify(3), to
/// the socket that NOTIFY_SOCKET names. Without one every call does nothing. Thread-safe.
///
/// A manager that does not listen is no reason to stop or to wait: nothing here blocks or fails.
class Notifier final {
 public:
  /// `socket`: a path, or "@name" for one of the abstract space; empty: nobody is told.
  explicit Notifier(std::string_view socket);
  ~Notifier();
  Notifier(const Notifier&) = delete;
  Notifier& operator=(const Notifier&) = delete;

  bool listened() const { return socket_ >= 0; }
  void ready(std::string_view status) const;
  void reloading() const;
  void stopping() const;
  void status(std::string_view text) const;
  void alive() const;  ///< Resets the watchdog.

 private:
  void send(const std::string& message) const;
  int socket_ = -1;
};

/// What the manager passed by environment, which is cleared so that no child takes it for its own.
struct ManagerWishes {
  std::string notify_socket;
  std::optional<std::chrono::microseconds> watchdog;  ///< The longest silence it allows.
};
ManagerWishes take_manager_wishes();

}  // namespace cloudosd
