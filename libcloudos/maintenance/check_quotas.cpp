#include <fmt/format.h>

#include <algorithm>

#include "identity/quota.hpp"
#include "maintenance/kinds.hpp"

namespace cloudos::maintenance {

Result<void> check_quotas(const store::Snapshot& snapshot, Findings& found) {
  Amounts have;
  for (const ServiceRecords& service : service_records())
    if (service.count) CLOUDOS_CHECK(service.count(snapshot, have));
  constexpr std::string_view kUse = "/quota-use/";
  CLOUDOS_CHECK(each_entry(snapshot, kUse, true, [&](const store::Entry& entry) {
    const auto end = entry.key.find('/', kUse.size());
    have.by_project.try_emplace(entry.key.substr(kUse.size(), end - kUse.size()));
    return Result<void>();
  }));
  for (auto& [project, counted] : have.by_project) {
    CLOUDOS_TRY(const auto use, Quota::usage(snapshot, ProjectId{project}));
    for (const std::string& resource : have.resources) {
      const auto kept = use.find(resource);
      if (kept == use.end() || kept->second.counted == counted[resource]) continue;
      found.problem(fmt::format("project '{}': {} {} are counted, there are {}", project,
                                kept->second.counted, resource, counted[resource]));
    }
  }
  return Result<void>();
}

}  // namespace cloudos::maintenance
