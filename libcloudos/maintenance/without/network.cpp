#include "maintenance/kinds.hpp"

// In a build that leaves networks out.
namespace cloudos::maintenance {

ServiceRecords network_records() {
  return {};
}

}  // namespace cloudos::maintenance
