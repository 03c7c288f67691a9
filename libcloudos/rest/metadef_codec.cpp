#include "rest/metadef_codec.hpp"

#include <algorithm>
#include <array>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "base/text.hpp"
#include "rest/target.hpp"

namespace cloudos::rest {
namespace {

using nlohmann::json;

/// What a member of a property's schema must be.
enum class MetadefShape : std::uint8_t { Text, Texts, Number, Count, Flag, List, Items, Any };
struct MetadefMember {
  std::string_view name;
  MetadefShape shape;
  std::string_view rule;
};
constexpr MetadefMember kMetadefMembers[] = {
    {"additionalItems", MetadefShape::Flag, "true or false"},
    {"default", MetadefShape::Any, ""},
    {"description", MetadefShape::Text, "text"},
    {"enum", MetadefShape::List, "a list"},
    {"items", MetadefShape::Items, "an object with a type"},
    {"maxItems", MetadefShape::Count, "a whole number from 0"},
    {"maxLength", MetadefShape::Count, "a whole number from 0"},
    {"maximum", MetadefShape::Number, "a number"},
    {"minItems", MetadefShape::Count, "a whole number from 0"},
    {"minLength", MetadefShape::Count, "a whole number from 0"},
    {"minimum", MetadefShape::Number, "a number"},
    {"operators", MetadefShape::Texts, "a list of texts"},
    {"pattern", MetadefShape::Text, "text"},
    {"readonly", MetadefShape::Flag, "true or false"},
    {"required", MetadefShape::Texts, "a list of texts"},
    {"uniqueItems", MetadefShape::Flag, "true or false"},
};

bool is_texts(const json& value) {
  return value.is_array() &&
         std::all_of(value.begin(), value.end(), [](const json& one) { return one.is_string(); });
}

/// What the elements of an array are: a type, the values it has, or both.
bool is_items(const json& value) {
  if (!value.is_object()) return false;
  for (const auto& [name, part] : value.items()) {
    const bool good = name == "type" ? part.is_string() : name == "enum" && part.is_array();
    if (!good) return false;
  }
  return true;
}

bool is_of_shape(const json& value, MetadefShape shape) {
  switch (shape) {
    case MetadefShape::Text: return value.is_string();
    case MetadefShape::Texts: return is_texts(value);
    case MetadefShape::Number: return value.is_number();
    case MetadefShape::Count: return value.is_number_integer() && value >= 0;
    case MetadefShape::Flag: return value.is_boolean();
    case MetadefShape::List: return value.is_array();
    case MetadefShape::Items: return is_items(value);
    case MetadefShape::Any: return true;
  }
  return false;
}

Result<void> check_object(const json& body, std::string_view what) {
  if (body.is_object()) return Result<void>();
  return fail(ErrorCode::InvalidArgument, fmt::format("{} must be a JSON object.", what));
}

/// What callers send back as they got it, and must not.
Result<void> check_writable(const json& body, bool links) {
  for (const char* name : {"created_at", "updated_at", "self", "schema"}) {
    if (!links && (name[0] == 's')) continue;
    if (body.contains(name))
      return fail(ErrorCode::Forbidden, fmt::format("Attribute '{}' is read-only.", name));
  }
  return Result<void>();
}

std::string dumped(const json& value) {
  return value.dump(-1, ' ', false, json::error_handler_t::replace);
}

Result<void> read_member(const std::string& name, const json& value, MetadefProperty& property,
                         json& schema) {
  if (name == "title" || name == "type" || name == "name") {
    if (!value.is_string())
      return fail(ErrorCode::InvalidArgument, fmt::format("'{}' must be text.", name));
    (name == "title" ? property.title : name == "type" ? property.type : property.name) =
        value.get<std::string>();
    return Result<void>();
  }
  for (const MetadefMember& member : kMetadefMembers) {
    if (member.name != name) continue;
    if (!is_of_shape(value, member.shape)) {
      return fail(ErrorCode::InvalidArgument,
                  fmt::format("'{}' must be {}.", name, member.rule));
    }
    schema[name] = value;
    return Result<void>();
  }
  return fail(ErrorCode::InvalidArgument,
              fmt::format("'{}' is no part of a property's definition.", name.substr(0, 64)));
}

Result<std::map<std::string, MetadefProperty>> decode_properties(const json& body) {
  CLOUDOS_CHECK(check_object(body, "properties"));
  std::map<std::string, MetadefProperty> properties;
  for (const auto& [name, value] : body.items()) {
    CLOUDOS_TRY(MetadefProperty property, decode_metadef_property(value));
    property.name = name;
    properties.emplace(name, std::move(property));
  }
  return properties;
}

/// Every element of the list `name`, read by `read`, into `target` by `key_of`.
template <class Item, class Key>
Result<void> decode_parts(const Members& in, std::string_view name,
                          Result<Item> (*read)(const json&), Key key_of,
                          std::map<std::string, Item>& target) {
  CLOUDOS_TRY(const json* list, in.maybe_array(name));
  if (list == nullptr) return Result<void>();
  for (const json& each : *list) {
    CLOUDOS_TRY(Item item, read(each));
    const std::string key = key_of(item);
    if (!target.emplace(key, std::move(item)).second) {
      return fail(ErrorCode::AlreadyExists,
                  fmt::format("'{}' is there twice in {}.", key.substr(0, 80), name));
    }
  }
  return Result<void>();
}

Result<MetadefTag> decode_tag_item(const json& body) {
  MetadefTag tag;
  CLOUDOS_TRY(tag.name, decode_metadef_tag(body));
  return tag;
}

/// Of an object in a namespace's body, where what was read before may be sent back.
Result<MetadefObject> decode_object_item(const json& body) {
  CLOUDOS_CHECK(check_object(body, "An object"));
  json plain = body;
  for (const char* name : {"created_at", "updated_at", "self", "schema"}) plain.erase(name);
  return decode_metadef_object(plain);
}
Result<MetadefAssociation> decode_association_item(const json& body) {
  CLOUDOS_CHECK(check_object(body, "An association"));
  json plain = body;
  for (const char* name : {"created_at", "updated_at"}) plain.erase(name);
  return decode_metadef_association(plain);
}

void write_times(JsonWriter& w, WallTime created, WallTime updated) {
  w.member("created_at", format_time(created)).member("updated_at", format_time(updated));
}

void write_properties(JsonWriter& w, const std::map<std::string, MetadefProperty>& properties) {
  w.key("properties").open();
  for (const auto& [name, property] : properties) {
    w.key(name);
    write_metadef_property(w, property, false);
  }
  w.close();
}

}  // namespace

std::string metadef_link(std::string_view space, std::string_view sort, std::string_view name) {
  std::string link = "/v2/metadefs/namespaces/" + std::string(space);
  if (!sort.empty()) link += fmt::format("/{}/{}", sort, name);
  return link;
}

void write_metadef_property(JsonWriter& w, const MetadefProperty& property, bool with_name) {
  w.open();
  if (with_name) w.member("name", property.name);
  w.member("title", property.title).member("type", property.type);
  const json schema = json::parse(property.schema, nullptr, false);
  if (schema.is_object())
    for (const auto& [name, value] : schema.items()) w.key(name).literal(dumped(value));
  w.close();
}

void write_metadef_object(JsonWriter& w, const std::string& space, const MetadefObject& object) {
  w.open().member("name", object.name).member("description", object.description);
  w.key("required").value(object.required);
  write_properties(w, object.properties);
  write_times(w, object.created_at, object.updated_at);
  w.member("self", metadef_link(space, "objects", object.name));
  w.member("schema", "/v2/schemas/metadefs/object").close();
}

void write_metadef_tag(JsonWriter& w, const MetadefTag& tag) {
  w.open().member("name", tag.name);
  write_times(w, tag.created_at, tag.updated_at);
  w.close();
}

void write_metadef_association(JsonWriter& w, const MetadefAssociation& association) {
  w.open().member("name", association.resource_type);
  if (!association.prefix.empty()) w.member("prefix", association.prefix);
  if (!association.properties_target.empty())
    w.member("properties_target", association.properties_target);
  write_times(w, association.created_at, association.updated_at);
  w.close();
}

void write_metadef_namespace(JsonWriter& w, const MetadefNamespace& space, MetadefParts parts) {
  w.open().member("namespace", space.name);
  if (!space.display_name.empty()) w.member("display_name", space.display_name);
  if (!space.description.empty()) w.member("description", space.description);
  w.member("visibility", to_string(space.visibility)).member("protected", space.is_protected);
  w.member("owner", space.owner.value);
  if (parts != MetadefParts::None && !space.associations.empty()) {
    w.key("resource_type_associations").open_list();
    for (const auto& [type, association] : space.associations)
      write_metadef_association(w, association);
    w.close_list();
  }
  if (parts == MetadefParts::All) {
    if (!space.properties.empty()) write_properties(w, space.properties);
    if (!space.objects.empty()) {
      w.key("objects").open_list();
      for (const auto& [name, object] : space.objects) write_metadef_object(w, space.name, object);
      w.close_list();
    }
    if (!space.tags.empty()) {
      w.key("tags").open_list();
      for (const auto& [name, tag] : space.tags) w.open().member("name", name).close();
      w.close_list();
    }
  }
  write_times(w, space.created_at, space.updated_at);
  w.member("self", metadef_link(space.name));
  w.member("schema", "/v2/schemas/metadefs/namespace").close();
}

void prefix_properties(MetadefNamespace& space, const std::string& resource_type) {
  const auto association = space.associations.find(resource_type);
  if (association == space.associations.end() || association->second.prefix.empty()) return;
  const std::string& prefix = association->second.prefix;
  const auto prefixed = [&](std::map<std::string, MetadefProperty>& properties) {
    std::map<std::string, MetadefProperty> renamed;
    for (auto& [name, property] : properties) renamed.emplace(prefix + name, std::move(property));
    properties = std::move(renamed);
  };
  prefixed(space.properties);
  for (auto& [name, object] : space.objects) {
    prefixed(object.properties);
    for (std::string& required : object.required) required.insert(0, prefix);
  }
}

Result<MetadefProperty> decode_metadef_property(const json& body) {
  CLOUDOS_CHECK(check_object(body, "A property"));
  CLOUDOS_CHECK(check_writable(body, false));
  MetadefProperty property;
  json schema = json::object();
  for (const auto& [name, value] : body.items())
    CLOUDOS_CHECK(read_member(name, value, property, schema));
  if (!body.contains("title") || !body.contains("type"))
    return fail(ErrorCode::InvalidArgument, "A property needs a title and a type.");
  property.schema = dumped(schema);
  return property;
}

Result<MetadefObject> decode_metadef_object(const json& body) {
  CLOUDOS_CHECK(check_object(body, "An object"));
  CLOUDOS_CHECK(check_writable(body, true));
  const Members in(body, "");
  MetadefObject object;
  CLOUDOS_TRY(object.name, in.text("name"));
  CLOUDOS_TRY(const auto description, in.maybe_text("description"));
  object.description = description.value_or("");
  CLOUDOS_TRY(const auto required, in.maybe_text_list("required"));
  object.required = required.value_or(std::vector<std::string>());
  if (const json* properties = in.raw("properties"); properties && !properties->is_null()) {
    CLOUDOS_TRY(object.properties, decode_properties(*properties));
  }
  CLOUDOS_CHECK(in.no_others());
  return object;
}

Result<MetadefAssociation> decode_metadef_association(const json& body) {
  CLOUDOS_CHECK(check_object(body, "An association"));
  CLOUDOS_CHECK(check_writable(body, false));
  const Members in(body, "");
  MetadefAssociation association;
  CLOUDOS_TRY(association.resource_type, in.text("name"));
  CLOUDOS_TRY(const auto prefix, in.maybe_text("prefix"));
  CLOUDOS_TRY(const auto target, in.maybe_text("properties_target"));
  association.prefix = prefix.value_or("");
  association.properties_target = target.value_or("");
  CLOUDOS_CHECK(in.no_others());
  return association;
}

Result<MetadefNamespace> decode_metadef_namespace(const json& body) {
  CLOUDOS_CHECK(check_object(body, "The body"));
  CLOUDOS_CHECK(check_writable(body, true));
  const Members in(body, "");
  MetadefNamespace space;
  CLOUDOS_TRY(space.name, in.text("namespace"));
  CLOUDOS_TRY(const auto display_name, in.maybe_text("display_name"));
  CLOUDOS_TRY(const auto description, in.maybe_text("description"));
  CLOUDOS_TRY(const auto owner, in.maybe_text("owner"));
  CLOUDOS_TRY(const auto visibility, in.maybe_text("visibility"));
  CLOUDOS_CHECK(in.flag("protected", space.is_protected));
  space.display_name = display_name.value_or("");
  space.description = description.value_or("");
  space.owner = ProjectId{owner.value_or("")};
  if (visibility) {
    const auto known = metadef_visibility_from(*visibility);
    if (!known)
      return fail(ErrorCode::InvalidArgument, "visibility must be public or private.");
    space.visibility = *known;
  }
  if (const json* properties = in.raw("properties"); properties && !properties->is_null()) {
    CLOUDOS_TRY(space.properties, decode_properties(*properties));
  }
  const auto by_name = [](const auto& item) { return item.name; };
  CLOUDOS_CHECK(decode_parts(in, "objects", decode_object_item, by_name, space.objects));
  CLOUDOS_CHECK(decode_parts(in, "tags", decode_tag_item, by_name, space.tags));
  CLOUDOS_CHECK(decode_parts(
      in, "resource_type_associations", decode_association_item,
      [](const MetadefAssociation& item) { return item.resource_type; }, space.associations));
  CLOUDOS_CHECK(in.no_others());
  return space;
}

Result<MetadefNamespaceUpdate> decode_metadef_update(const json& body) {
  CLOUDOS_CHECK(check_object(body, "The body"));
  json whole = body;
  if (!whole.contains("namespace")) whole["namespace"] = "-";
  CLOUDOS_TRY(const MetadefNamespace wish, decode_metadef_namespace(whole));
  const auto says = [&](const char* name) { return body.contains(name) && !body[name].is_null(); };
  MetadefNamespaceUpdate changes;
  if (says("namespace")) changes.name = wish.name;
  if (says("display_name")) changes.display_name = wish.display_name;
  if (says("description")) changes.description = wish.description;
  if (says("visibility")) changes.visibility = wish.visibility;
  if (says("protected")) changes.is_protected = wish.is_protected;
  if (says("owner")) changes.owner = wish.owner;
  return changes;
}

Result<MetadefObject> decode_metadef_update(const json& body, const MetadefObject& before) {
  CLOUDOS_CHECK(check_object(body, "An object"));
  json whole = body;
  if (!whole.contains("name")) whole["name"] = before.name;
  CLOUDOS_TRY(MetadefObject object, decode_metadef_object(whole));
  if (!body.contains("description")) object.description = before.description;
  if (!body.contains("required")) object.required = before.required;
  if (!body.contains("properties")) object.properties = before.properties;
  return object;
}

Result<MetadefProperty> decode_metadef_update(const json& body, const MetadefProperty& before) {
  CLOUDOS_CHECK(check_object(body, "A property"));
  json whole = json::parse(before.schema, nullptr, false);
  if (!whole.is_object()) whole = json::object();
  // A definition that is sent whole replaces the one of before; a part of one is put over it.
  if (body.contains("title") && body.contains("type")) whole = json::object();
  whole["name"] = before.name;
  whole["title"] = before.title;
  whole["type"] = before.type;
  whole.update(body);
  return decode_metadef_property(whole);
}

Result<std::string> decode_metadef_tag(const json& body) {
  CLOUDOS_CHECK(check_object(body, "A tag"));
  CLOUDOS_CHECK(check_writable(body, false));
  const Members in(body, "");
  CLOUDOS_TRY(std::string name, in.text("name"));
  CLOUDOS_CHECK(in.no_others());
  return name;
}

Result<std::vector<std::string>> decode_metadef_tags(const json& body) {
  CLOUDOS_CHECK(check_object(body, "The body"));
  const Members in(body, "");
  CLOUDOS_TRY(const json* list, in.array("tags"));
  std::vector<std::string> names;
  for (const json& each : *list) {
    CLOUDOS_TRY(std::string name, decode_metadef_tag(each));
    names.push_back(std::move(name));
  }
  CLOUDOS_CHECK(in.no_others());
  return names;
}

}  // namespace cloudos::rest
