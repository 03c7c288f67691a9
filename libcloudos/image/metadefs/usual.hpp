#pragma once
#include <span>
#include <string_view>

/// The catalogue of usual metadata definitions as rows. Names and values are facts of those who
/// read the properties: libvirt, the scheduler, the guests' makers.
namespace cloudos::image {

struct UsualProperty {
  std::string_view name, type, title, description;
  std::string_view more = {};    ///< Further members of its JSON schema: "enum":["a","b"]
  std::string_view object = {};  ///< Which object it belongs to; empty: the namespace itself.
};
struct UsualType {
  std::string_view name, prefix = {}, target = {};
};
struct UsualSpace {
  std::string_view name, display_name, description;
  std::span<const UsualType> types;
  std::span<const UsualProperty> properties;
};

std::span<const UsualSpace> usual_compute();
std::span<const UsualSpace> usual_software();
std::span<const UsualSpace> usual_cim();

}  // namespace cloudos::image
