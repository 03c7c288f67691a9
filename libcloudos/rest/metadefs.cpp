#include <algorithm>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "base/text.hpp"
#include "cloudos/identity.hpp"
#include "cloudos/images.hpp"
#include "rest/image_codec.hpp"
#include "rest/image_tables.hpp"
#include "rest/metadef_codec.hpp"
#include "rest/target.hpp"

// Source: Image API v2 reference, metadata definitions.
namespace cloudos::rest {
namespace {

const std::string& space_of(const Call& call) { return call.path("namespace"); }
Metadefs& metadefs_of(Call& call) { return call.cloud.images().metadefs(); }

Response namespace_response(int status, const MetadefNamespace& space, MetadefParts parts) {
  JsonWriter w;
  write_metadef_namespace(w, space, parts);
  return json_response(status, std::move(w).take());
}

/// sort_key and sort_dir, as all lists of metadata definitions have them.
struct MetadefOrder {
  MetadefSortKey key = MetadefSortKey::CreatedAt;
  bool descending = true;
};
Result<MetadefOrder> metadef_order(const Call& call) {
  MetadefOrder order;
  const std::string_view key = call.query("sort_key").value_or("created_at");
  if (key == "updated_at") order.key = MetadefSortKey::UpdatedAt;
  else if (key == "name" || key == "namespace") order.key = MetadefSortKey::Name;
  else if (key != "created_at") {
    return fail(ErrorCode::InvalidArgument,
                fmt::format("Sort key '{}' is not supported.", key.substr(0, 64)));
  }
  const std::string_view direction = call.query("sort_dir").value_or("desc");
  if (direction != "asc" && direction != "desc")
    return fail(ErrorCode::InvalidArgument, "A sort direction is asc or desc.");
  order.descending = direction == "desc";
  return order;
}

/// A page of a namespace's objects or tags, in the order that is asked for.
template <class Item>
Result<std::vector<Item>> page_of_parts(const Call& call, const std::map<std::string, Item>& all) {
  CLOUDOS_TRY(const MetadefOrder order, metadef_order(call));
  CLOUDOS_TRY(const Call::Page page, call.page());
  std::vector<Item> items;
  for (const auto& [name, item] : all) items.push_back(item);
  std::stable_sort(items.begin(), items.end(), [&](const Item& a, const Item& b) {
    const auto by = order.key == MetadefSortKey::Name        ? a.name <=> b.name
                    : order.key == MetadefSortKey::UpdatedAt ? a.updated_at <=> b.updated_at
                                                             : a.created_at <=> b.created_at;
    return order.descending ? by > 0 : by < 0;
  });
  if (!page.marker.empty()) {
    const auto marker = std::find_if(items.begin(), items.end(),
                                     [&](const Item& item) { return item.name == page.marker; });
    if (marker == items.end()) return fail(ErrorCode::NotFound, "The marker is not in the list.");
    items.erase(items.begin(), marker + 1);
  }
  if (items.size() > page.limit) items.resize(page.limit);
  return items;
}

Result<Response> create_metadef_namespace(Call& call) {
  CLOUDOS_TRY(const nlohmann::json* body, call.json());
  CLOUDOS_TRY(const MetadefNamespace wish, decode_metadef_namespace(*body));
  const std::pair<bool, std::string_view> parts[] = {
      {!wish.objects.empty(), "add_metadef_object"},
      {!wish.properties.empty(), "add_metadef_property"},
      {!wish.tags.empty(), "add_metadef_tag"},
      {!wish.associations.empty(), "add_metadef_resource_type_association"}};
  for (const auto& [there, rule] : parts)
    if (there) CLOUDOS_CHECK(call.cloud.identity().enforce(call.ctx, rule));
  CLOUDOS_TRY(const MetadefNamespace space, metadefs_of(call).create(call.ctx, wish));
  Response response = namespace_response(201, space, MetadefParts::All);
  response.headers.add("Location", call.service_url + "/metadefs/namespaces/" +
                                       percent_encode(space.name));
  return response;
}

Result<Response> list_metadef_namespaces(Call& call) {
  MetadefQuery query;
  CLOUDOS_TRY(const MetadefOrder order, metadef_order(call));
  query.sort = order.key;
  query.descending = order.descending;
  if (const auto visibility = call.query("visibility")) {
    query.visibility = metadef_visibility_from(*visibility);
    if (!query.visibility)
      return fail(ErrorCode::InvalidArgument, "Filter 'visibility' must be public or private.");
  }
  if (const auto types = call.query("resource_types"))
    for (const std::string_view type : split(*types, ','))
      if (!trim(type).empty()) query.resource_types.emplace_back(trim(type));
  CLOUDOS_TRY(const Call::Page page, call.page());
  query.marker = page.marker;
  query.limit = page.limit == SIZE_MAX ? page.limit : page.limit + 1;
  CLOUDOS_TRY(auto spaces, metadefs_of(call).list(call.ctx, query));
  const bool more = spaces.size() > page.limit;
  if (more) spaces.resize(page.limit);
  const std::string rest = query_without_marker(call);
  JsonWriter w;
  w.open().key("namespaces").open_list();
  for (const MetadefNamespace& space : spaces)
    write_metadef_namespace(w, space, MetadefParts::Associations);
  w.close_list().member("schema", "/v2/schemas/metadefs/namespaces");
  w.member("first", "/v2/metadefs/namespaces" + (rest.empty() ? "" : "?" + rest));
  if (more && !spaces.empty()) {
    w.member("next", fmt::format("/v2/metadefs/namespaces?{}{}marker={}", rest,
                                 rest.empty() ? "" : "&", percent_encode(spaces.back().name)));
  }
  w.close();
  return json_response(200, std::move(w).take());
}

Result<Response> show_metadef_namespace(Call& call) {
  CLOUDOS_TRY(MetadefNamespace space, metadefs_of(call).get(call.ctx, space_of(call)));
  if (const auto type = call.query("resource_type")) prefix_properties(space, std::string(*type));
  return namespace_response(200, space, MetadefParts::All);
}

Result<Response> update_metadef_namespace(Call& call) {
  CLOUDOS_TRY(const nlohmann::json* body, call.json());
  CLOUDOS_TRY(const MetadefNamespaceUpdate changes, decode_metadef_update(*body));
  CLOUDOS_TRY(const MetadefNamespace space,
              metadefs_of(call).update(call.ctx, space_of(call), changes));
  return namespace_response(200, space, MetadefParts::None);
}

Result<Response> delete_metadef_namespace(Call& call) {
  CLOUDOS_CHECK(metadefs_of(call).remove(call.ctx, space_of(call)));
  return empty_response(204);
}

Response metadef_object_response(int status, const std::string& space,
                                 const MetadefObject& object) {
  JsonWriter w;
  write_metadef_object(w, space, object);
  return json_response(status, std::move(w).take());
}

Result<Response> list_metadef_objects(Call& call) {
  CLOUDOS_TRY(const auto space, metadefs_of(call).get(call.ctx, space_of(call)));
  CLOUDOS_TRY(const auto objects, page_of_parts(call, space.objects));
  JsonWriter w;
  w.open().key("objects").open_list();
  for (const MetadefObject& object : objects) write_metadef_object(w, space.name, object);
  w.close_list().member("schema", "v2/schemas/metadefs/objects").close();
  return json_response(200, std::move(w).take());
}

Result<Response> create_metadef_object(Call& call) {
  CLOUDOS_TRY(const nlohmann::json* body, call.json());
  CLOUDOS_TRY(const MetadefObject wish, decode_metadef_object(*body));
  CLOUDOS_TRY(const auto object, metadefs_of(call).add_object(call.ctx, space_of(call), wish));
  return metadef_object_response(201, space_of(call), object);
}

Result<Response> show_metadef_object(Call& call) {
  CLOUDOS_TRY(const auto space, metadefs_of(call).get(call.ctx, space_of(call)));
  const auto object = space.objects.find(call.path("object_name"));
  if (object == space.objects.end())
    return fail(ErrorCode::NotFound, "The namespace has no such object.");
  return metadef_object_response(200, space.name, object->second);
}

Result<Response> update_metadef_object(Call& call) {
  CLOUDOS_TRY(const nlohmann::json* body, call.json());
  CLOUDOS_TRY(const auto space, metadefs_of(call).get(call.ctx, space_of(call)));
  const auto before = space.objects.find(call.path("object_name"));
  if (before == space.objects.end())
    return fail(ErrorCode::NotFound, "The namespace has no such object.");
  CLOUDOS_TRY(const MetadefObject wish, decode_metadef_update(*body, before->second));
  CLOUDOS_TRY(const auto object,
              metadefs_of(call).set_object(call.ctx, space_of(call), call.path("object_name"),
                                           wish));
  return metadef_object_response(200, space_of(call), object);
}

Result<Response> delete_metadef_object(Call& call) {
  CLOUDOS_CHECK(
      metadefs_of(call).remove_object(call.ctx, space_of(call), call.path("object_name")));
  return empty_response(204);
}

Result<Response> clear_metadef_objects(Call& call) {
  CLOUDOS_CHECK(metadefs_of(call).clear_objects(call.ctx, space_of(call)));
  return empty_response(204);
}

Response metadef_property_response(int status, const MetadefProperty& property) {
  JsonWriter w;
  write_metadef_property(w, property, true);
  return json_response(status, std::move(w).take());
}

Result<Response> list_metadef_properties(Call& call) {
  CLOUDOS_TRY(MetadefNamespace space, metadefs_of(call).get(call.ctx, space_of(call)));
  if (const auto type = call.query("resource_type")) prefix_properties(space, std::string(*type));
  JsonWriter w;
  w.open().key("properties").open();
  for (const auto& [name, property] : space.properties) {
    w.key(name);
    write_metadef_property(w, property, false);
  }
  w.close().close();
  return json_response(200, std::move(w).take());
}

Result<MetadefProperty> named_property(const nlohmann::json& body) {
  CLOUDOS_TRY(MetadefProperty wish, decode_metadef_property(body));
  if (wish.name.empty()) return fail(ErrorCode::InvalidArgument, "A property needs a name.");
  return wish;
}

Result<Response> create_metadef_property(Call& call) {
  CLOUDOS_TRY(const nlohmann::json* body, call.json());
  CLOUDOS_TRY(const MetadefProperty wish, named_property(*body));
  CLOUDOS_TRY(const auto property,
              metadefs_of(call).add_property(call.ctx, space_of(call), wish));
  return metadef_property_response(201, property);
}

/// With a resource_type, the path has the name that the property has on things of that type.
Result<Response> show_metadef_property(Call& call) {
  CLOUDOS_TRY(const auto space, metadefs_of(call).get(call.ctx, space_of(call)));
  std::string_view name = call.path("property_name");
  if (const auto type = call.query("resource_type"); type && !type->empty()) {
    const auto association = space.associations.find(std::string(*type));
    if (association == space.associations.end())
      return fail(ErrorCode::NotFound, "The namespace has no such resource type.");
    const std::string& prefix = association->second.prefix;
    if (prefix.empty() || !name.starts_with(prefix)) {
      return fail(ErrorCode::NotFound,
                  fmt::format("Properties of that type have names that begin with '{}'.", prefix));
    }
    name.remove_prefix(prefix.size());
  }
  const auto property = space.properties.find(std::string(name));
  if (property == space.properties.end())
    return fail(ErrorCode::NotFound, "The namespace has no such property.");
  return metadef_property_response(200, property->second);
}

Result<Response> update_metadef_property(Call& call) {
  CLOUDOS_TRY(const nlohmann::json* body, call.json());
  CLOUDOS_TRY(const auto space, metadefs_of(call).get(call.ctx, space_of(call)));
  const auto before = space.properties.find(call.path("property_name"));
  if (before == space.properties.end())
    return fail(ErrorCode::NotFound, "The namespace has no such property.");
  CLOUDOS_TRY(const MetadefProperty wish, decode_metadef_update(*body, before->second));
  CLOUDOS_TRY(const auto property,
              metadefs_of(call).set_property(call.ctx, space_of(call),
                                             call.path("property_name"), wish));
  return metadef_property_response(200, property);
}

Result<Response> delete_metadef_property(Call& call) {
  CLOUDOS_CHECK(
      metadefs_of(call).remove_property(call.ctx, space_of(call), call.path("property_name")));
  return empty_response(204);
}

Result<Response> clear_metadef_properties(Call& call) {
  CLOUDOS_CHECK(metadefs_of(call).clear_properties(call.ctx, space_of(call)));
  return empty_response(204);
}

Response metadef_tags_response(int status, const std::string& space,
                               const std::vector<MetadefTag>& tags) {
  JsonWriter w;
  w.open().key("tags").open_list();
  for (const MetadefTag& tag : tags) w.open().member("name", tag.name).close();
  w.close_list().member("first", metadef_link(space) + "/tags");
  w.member("schema", "/v2/schemas/metadefs/tags").close();
  return json_response(status, std::move(w).take());
}
Response metadef_tag_response(int status, const MetadefTag& tag) {
  JsonWriter w;
  write_metadef_tag(w, tag);
  return json_response(status, std::move(w).take());
}

Result<Response> list_metadef_tags(Call& call) {
  CLOUDOS_TRY(const auto space, metadefs_of(call).get(call.ctx, space_of(call)));
  CLOUDOS_TRY(const auto tags, page_of_parts(call, space.tags));
  return metadef_tags_response(200, space.name, tags);
}

/// In place of those there are, unless the header says otherwise.
Result<Response> create_metadef_tags(Call& call) {
  CLOUDOS_TRY(const nlohmann::json* body, call.json());
  CLOUDOS_TRY(const auto names, decode_metadef_tags(*body));
  const std::string_view append = call.request.headers.get("X-Openstack-Append");
  const bool appends = equals_ignore_case(append, "true") || append == "1" ||
                       equals_ignore_case(append, "yes");
  CLOUDOS_TRY(const auto tags,
              metadefs_of(call).set_tags(call.ctx, space_of(call), names, appends));
  return metadef_tags_response(201, space_of(call), tags);
}

Result<Response> clear_metadef_tags(Call& call) {
  CLOUDOS_CHECK(metadefs_of(call).clear_tags(call.ctx, space_of(call)));
  return empty_response(204);
}

Result<Response> create_metadef_tag(Call& call) {
  CLOUDOS_TRY(const MetadefTag tag,
              metadefs_of(call).add_tag(call.ctx, space_of(call), call.path("tag_name")));
  return metadef_tag_response(201, tag);
}

Result<Response> show_metadef_tag(Call& call) {
  CLOUDOS_TRY(const auto space, metadefs_of(call).get(call.ctx, space_of(call)));
  const auto tag = space.tags.find(call.path("tag_name"));
  if (tag == space.tags.end()) return fail(ErrorCode::NotFound, "The namespace has no such tag.");
  return metadef_tag_response(200, tag->second);
}

Result<Response> update_metadef_tag(Call& call) {
  CLOUDOS_TRY(const nlohmann::json* body, call.json());
  CLOUDOS_TRY(const std::string name, decode_metadef_tag(*body));
  CLOUDOS_TRY(const MetadefTag tag, metadefs_of(call).set_tag(call.ctx, space_of(call),
                                                              call.path("tag_name"), name));
  return metadef_tag_response(200, tag);
}

Result<Response> delete_metadef_tag(Call& call) {
  CLOUDOS_CHECK(metadefs_of(call).remove_tag(call.ctx, space_of(call), call.path("tag_name")));
  return empty_response(204);
}

Result<Response> list_metadef_types(Call& call) {
  CLOUDOS_TRY(const auto types, metadefs_of(call).resource_types(call.ctx));
  JsonWriter w;
  w.open().key("resource_types").open_list();
  for (const MetadefResourceType& type : types) {
    w.open().member("name", type.id).member("created_at", format_time(type.created_at));
    w.member("updated_at", format_time(type.updated_at)).close();
  }
  w.close_list().close();
  return json_response(200, std::move(w).take());
}

Result<Response> list_metadef_associations(Call& call) {
  CLOUDOS_TRY(const auto space, metadefs_of(call).get(call.ctx, space_of(call)));
  JsonWriter w;
  w.open().key("resource_type_associations").open_list();
  for (const auto& [type, association] : space.associations)
    write_metadef_association(w, association);
  w.close_list().close();
  return json_response(200, std::move(w).take());
}

Result<Response> create_metadef_association(Call& call) {
  CLOUDOS_TRY(const nlohmann::json* body, call.json());
  CLOUDOS_TRY(const MetadefAssociation wish, decode_metadef_association(*body));
  CLOUDOS_TRY(const auto association,
              metadefs_of(call).associate(call.ctx, space_of(call), wish));
  JsonWriter w;
  write_metadef_association(w, association);
  return json_response(201, std::move(w).take());
}

Result<Response> delete_metadef_association(Call& call) {
  CLOUDOS_CHECK(
      metadefs_of(call).dissociate(call.ctx, space_of(call), call.path("resource_type")));
  return empty_response(204);
}

Result<Response> show_metadef_schema(Call& call) {
  std::string schema = metadef_schema(call.path("name"));
  if (schema.empty()) return fail(ErrorCode::NotFound, "There is no such schema.");
  return json_response(200, std::move(schema));
}

#define CLOUDOS_METADEFS "/image/v2/metadefs/namespaces"
#define CLOUDOS_METADEF CLOUDOS_METADEFS "/{namespace}"
constexpr Service kOfImages = Service::Image;
constexpr RouteClass kMetadefCommits = RouteClass::Commits;
constexpr Route kMetadefRoutes[] = {
    {"GET", CLOUDOS_METADEFS, list_metadef_namespaces, "get_metadef_namespaces", kOfImages},
    {"POST", CLOUDOS_METADEFS, create_metadef_namespace, "add_metadef_namespace", kOfImages,
     kMetadefCommits},
    {"GET", CLOUDOS_METADEF, show_metadef_namespace, "get_metadef_namespace", kOfImages},
    {"PUT", CLOUDOS_METADEF, update_metadef_namespace, "modify_metadef_namespace", kOfImages,
     kMetadefCommits},
    {"DELETE", CLOUDOS_METADEF, delete_metadef_namespace, "delete_metadef_namespace", kOfImages,
     kMetadefCommits},
    {"GET", CLOUDOS_METADEF "/objects", list_metadef_objects, "get_metadef_objects", kOfImages},
    {"POST", CLOUDOS_METADEF "/objects", create_metadef_object, "add_metadef_object", kOfImages,
     kMetadefCommits},
    {"DELETE", CLOUDOS_METADEF "/objects", clear_metadef_objects, "delete_metadef_namespace",
     kOfImages, kMetadefCommits},
    {"GET", CLOUDOS_METADEF "/objects/{object_name}", show_metadef_object, "get_metadef_object",
     kOfImages},
    {"PUT", CLOUDOS_METADEF "/objects/{object_name}", update_metadef_object,
     "modify_metadef_object", kOfImages, kMetadefCommits},
    {"DELETE", CLOUDOS_METADEF "/objects/{object_name}", delete_metadef_object,
     "delete_metadef_object", kOfImages, kMetadefCommits},
    {"GET", CLOUDOS_METADEF "/properties", list_metadef_properties, "get_metadef_properties",
     kOfImages},
    {"POST", CLOUDOS_METADEF "/properties", create_metadef_property, "add_metadef_property",
     kOfImages, kMetadefCommits},
    {"DELETE", CLOUDOS_METADEF "/properties", clear_metadef_properties,
     "delete_metadef_namespace", kOfImages, kMetadefCommits},
    {"GET", CLOUDOS_METADEF "/properties/{property_name}", show_metadef_property,
     "get_metadef_property", kOfImages},
    {"PUT", CLOUDOS_METADEF "/properties/{property_name}", update_metadef_property,
     "modify_metadef_property", kOfImages, kMetadefCommits},
    {"DELETE", CLOUDOS_METADEF "/properties/{property_name}", delete_metadef_property,
     "remove_metadef_property", kOfImages, kMetadefCommits},
    {"GET", CLOUDOS_METADEF "/tags", list_metadef_tags, "get_metadef_tags", kOfImages},
    {"POST", CLOUDOS_METADEF "/tags", create_metadef_tags, "add_metadef_tags", kOfImages,
     kMetadefCommits},
    {"DELETE", CLOUDOS_METADEF "/tags", clear_metadef_tags, "delete_metadef_tags", kOfImages,
     kMetadefCommits},
    {"GET", CLOUDOS_METADEF "/tags/{tag_name}", show_metadef_tag, "get_metadef_tag", kOfImages},
    {"POST", CLOUDOS_METADEF "/tags/{tag_name}", create_metadef_tag, "add_metadef_tag", kOfImages,
     kMetadefCommits},
    {"PUT", CLOUDOS_METADEF "/tags/{tag_name}", update_metadef_tag, "modify_metadef_tag",
     kOfImages, kMetadefCommits},
    {"DELETE", CLOUDOS_METADEF "/tags/{tag_name}", delete_metadef_tag, "delete_metadef_tag",
     kOfImages, kMetadefCommits},
    {"GET", "/image/v2/metadefs/resource_types", list_metadef_types,
     "list_metadef_resource_types", kOfImages},
    {"GET", CLOUDOS_METADEF "/resource_types", list_metadef_associations,
     "get_metadef_resource_type", kOfImages},
    {"POST", CLOUDOS_METADEF "/resource_types", create_metadef_association,
     "add_metadef_resource_type_association", kOfImages, kMetadefCommits},
    {"DELETE", CLOUDOS_METADEF "/resource_types/{resource_type}", delete_metadef_association,
     "remove_metadef_resource_type_association", kOfImages, kMetadefCommits},
    {"GET", "/image/v2/schemas/metadefs/{name}", show_metadef_schema, "get_image_schema",
     kOfImages},
};
#undef CLOUDOS_METADEF
#undef CLOUDOS_METADEFS

}  // namespace

std::span<const Route> metadef_routes() { return kMetadefRoutes; }

}  // namespace cloudos::rest
