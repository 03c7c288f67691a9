#include "rest/image_tables.hpp"

namespace cloudos::rest {

std::span<const Route> image_routes() {
  static const std::vector<Route> kAllImageRoutes = [] {
    std::vector<Route> all;
    for (const auto part :
         {image_record_routes(), image_import_routes(), image_task_routes(), image_store_routes(),
          image_cache_routes(), certificate_routes(), metadef_routes()}) {
      all.insert(all.end(), part.begin(), part.end());
    }
    return all;
  }();
  return kAllImageRoutes;
}

}  // namespace cloudos::rest
