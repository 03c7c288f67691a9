#include "image/metadefs/metadefs_room.hpp"

namespace cloudos {

std::string_view to_string(MetadefVisibility visibility) {
  return visibility == MetadefVisibility::Public ? "public" : "private";
}
std::optional<MetadefVisibility> metadef_visibility_from(std::string_view text) {
  if (text == "public") return MetadefVisibility::Public;
  if (text == "private") return MetadefVisibility::Private;
  return std::nullopt;
}

void fields(codec::FieldVisitor& v, MetadefProperty& p) {
  v.field({1, "name"}, p.name);
  v.field({2, "title"}, p.title);
  v.field({3, "type"}, p.type);
  v.field({4, "schema"}, p.schema);
}

void fields(codec::FieldVisitor& v, MetadefObject& o) {
  v.field({1, "name"}, o.name);
  v.field({2, "description"}, o.description);
  v.field({3, "required"}, o.required);
  v.field({4, "properties"}, o.properties);
  v.field({5, "created_at"}, o.created_at);
  v.field({6, "updated_at"}, o.updated_at);
}

void fields(codec::FieldVisitor& v, MetadefTag& t) {
  v.field({1, "name"}, t.name);
  v.field({2, "created_at"}, t.created_at);
  v.field({3, "updated_at"}, t.updated_at);
}

void fields(codec::FieldVisitor& v, MetadefAssociation& a) {
  v.field({1, "resource_type"}, a.resource_type);
  v.field({2, "prefix"}, a.prefix);
  v.field({3, "properties_target"}, a.properties_target);
  v.field({4, "created_at"}, a.created_at);
  v.field({5, "updated_at"}, a.updated_at);
}

void fields(codec::FieldVisitor& v, MetadefResourceType& t) {
  v.field({1, "id"}, t.id);
  v.field({2, "generation"}, t.generation);
  v.field({3, "created_at"}, t.created_at);
  v.field({4, "updated_at"}, t.updated_at);
  v.unknown(t.unknown);
}
void keys(records::Keys&, const MetadefResourceType&) {}

void fields(codec::FieldVisitor& v, MetadefNamespace& n) {
  v.field({1, "id"}, n.id);
  v.field({2, "generation"}, n.generation);
  v.field({3, "name"}, n.name);
  v.field({4, "display_name"}, n.display_name);
  v.field({5, "description"}, n.description);
  v.field({6, "visibility"}, n.visibility);
  v.field({7, "protected"}, n.is_protected);
  v.field({8, "owner"}, n.owner);
  v.field({9, "properties"}, n.properties);
  v.field({10, "objects"}, n.objects);
  v.field({11, "tags"}, n.tags);
  v.field({12, "associations"}, n.associations);
  v.field({13, "created_at"}, n.created_at);
  v.field({14, "updated_at"}, n.updated_at);
  v.unknown(n.unknown);
}
void keys(records::Keys& k, const MetadefNamespace& n) { k.unique("name", "", n.name); }

namespace image {

void fields(codec::FieldVisitor& v, MetadefCatalogue& c) {
  v.field({1, "id"}, c.id);
  v.field({2, "generation"}, c.generation);
  v.field({3, "loaded"}, c.loaded);
  v.unknown(c.unknown);
}
void keys(records::Keys&, const MetadefCatalogue&) {}

}  // namespace image
}  // namespace cloudos
