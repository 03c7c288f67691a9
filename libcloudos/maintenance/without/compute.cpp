#include "maintenance/kinds.hpp"

// In a build that leaves compute out.
namespace cloudos::maintenance {

ServiceRecords compute_records() {
  return {};
}

}  // namespace cloudos::maintenance
