#pragma once
#include <filesystem>
#include <functional>

#include "cloudos/hypervisor.hpp"

/// REQUIRE of a Result that says why not.
#define REQUIRE_OK(expression)                                                   \
  do {                                                                           \
    const auto require_ok_ = (expression);                                       \
    REQUIRE_MESSAGE(require_ok_.has_value(), ::cloudos::test::why(require_ok_)); \
  } while (false)

namespace cloudos::test {

template <class T>
std::string why(const Result<T>& result) {
  if (result) return {};
  return std::string(to_string(result.error().code)) + ": " + result.error().message + " | " +
         result.error().detail;
}

/// A driver under test and what the suite needs around it.
struct DriverUnderTest {
  hypervisor::Driver& driver;
  std::filesystem::path folder;  ///< Empty, for disks and consoles.
  /// Puts a domain of somebody else on the same hypervisor.
  std::function<void(const ServerId&)> add_foreign;
  /// Whether the foreign domain is still there, untouched.
  std::function<bool(const ServerId&)> foreign_lives;
};

/// A small domain without an operating system: enough for a hypervisor to run it.
hypervisor::DomainSpec small_domain(std::string id, const std::filesystem::path& folder);

/// What every driver must do; called within a TEST_CASE of each of them.
void check_driver_contract(const DriverUnderTest& under_test);

/// A folder of its own under the system's temporary one, removed with the object.
class TempFolder {
 public:
  TempFolder();
  ~TempFolder();
  TempFolder(const TempFolder&) = delete;
  TempFolder& operator=(const TempFolder&) = delete;
  const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

}  // namespace cloudos::test
