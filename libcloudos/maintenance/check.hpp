#pragma once
#include <string>

#include "cloudos/limits.hpp"
#include "cloudos/maintenance.hpp"
#include "cloudos/store.hpp"

namespace cloudos::maintenance {

/// Collects what a check finds, a bounded number of sentences.
class Findings {
 public:
  explicit Findings(CheckReport& report) : report_(report) {}
  void problem(std::string text) {
    if (report_.problems.size() < limits::kCheckFindings)
      report_.problems.push_back(std::move(text));
    else
      ++report_.more;
  }
  void note(std::string text) {
    if (report_.notes.size() < limits::kCheckFindings) report_.notes.push_back(std::move(text));
  }

 private:
  CheckReport& report_;
};

/// Calls `visit` with every entry under `prefix`, in pages.
Result<void> each_entry(const store::Snapshot& snapshot, std::string_view prefix, bool keys_only,
                        const std::function<Result<void>(const store::Entry&)>& visit);

/// All that can be said of the records of one snapshot, without files.
Result<CheckReport> check_snapshot(const store::Snapshot& snapshot);

/// What projects are counted to have equals what there is.
Result<void> check_quotas(const store::Snapshot& snapshot, Findings& found);

}  // namespace cloudos::maintenance
