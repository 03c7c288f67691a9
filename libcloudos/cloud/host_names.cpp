#include "cloud/host_names.hpp"

#include "placement/records.hpp"
#include "records/table.hpp"

namespace cloudos {

Result<std::vector<std::string>> known_host_names(store::Store& store, const std::string& machine) {
  CLOUDOS_TRY(const auto snapshot, store.snapshot());
  records::PageSpec<placement::HostRecord> two;
  two.limit = 2;
  CLOUDOS_TRY(const auto hosts, records::page(*snapshot, two));
  return std::vector<std::string>{hosts.size() == 1 ? hosts.front().name : machine};
}

}  // namespace cloudos
