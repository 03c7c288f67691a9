#include "image/metadefs/usual.hpp"

#include <fmt/format.h>

#include "base/text.hpp"
#include "image/metadefs/metadefs_room.hpp"

namespace cloudos::image {
namespace {

MetadefProperty usual_property(const UsualProperty& row) {
  MetadefProperty property;
  property.name = row.name;
  property.title = row.title;
  property.type = row.type;
  property.schema = "{\"description\":";
  append_json_string(property.schema, row.description);
  if (!row.more.empty()) property.schema += fmt::format(",{}", row.more);
  property.schema += '}';
  return property;
}

MetadefNamespace usual_space(const UsualSpace& row) {
  MetadefNamespace space;
  space.name = row.name;
  space.display_name = row.display_name;
  space.description = row.description;
  space.visibility = MetadefVisibility::Public;
  space.is_protected = true;
  for (const UsualType& type : row.types) {
    MetadefAssociation association;
    association.resource_type = type.name;
    association.prefix = type.prefix;
    association.properties_target = type.target;
    space.associations.emplace(type.name, association);
  }
  for (const UsualProperty& each : row.properties) {
    if (each.object.empty()) {
      space.properties.emplace(each.name, usual_property(each));
      continue;
    }
    MetadefObject& object = space.objects[std::string(each.object)];
    object.name = each.object;
    object.properties.emplace(each.name, usual_property(each));
  }
  return space;
}

}  // namespace

std::vector<MetadefNamespace> usual_metadefs() {
  std::vector<MetadefNamespace> all;
  for (const auto rows : {usual_compute(), usual_software(), usual_cim()})
    for (const UsualSpace& row : rows) all.push_back(usual_space(row));
  return all;
}

}  // namespace cloudos::image
