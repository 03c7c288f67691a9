#include <array>

#include "cloudos/limits.hpp"
#include "rest/image_codec.hpp"

// The JSON schemas of the Image API, made of the table that also reads and writes bodies.
namespace cloudos::rest {
namespace {

constexpr std::array kAllStatuses{ImageStatus::Queued, ImageStatus::Saving, ImageStatus::Active,
                                  ImageStatus::Deactivated, ImageStatus::Uploading,
                                  ImageStatus::Importing, ImageStatus::PendingDelete};
constexpr std::array kAllVisibilities{ImageVisibility::Community, ImageVisibility::Public,
                                      ImageVisibility::Private, ImageVisibility::Shared};
constexpr std::array kAllDiskFormats{DiskFormat::Ami,  DiskFormat::Ari,  DiskFormat::Aki,
                                     DiskFormat::Vhd,  DiskFormat::Vhdx, DiskFormat::Vmdk,
                                     DiskFormat::Raw,  DiskFormat::Qcow2, DiskFormat::Vdi,
                                     DiskFormat::Iso};
constexpr std::array kAllContainerFormats{
    ContainerFormat::Ami, ContainerFormat::Ari, ContainerFormat::Aki, ContainerFormat::Bare,
    ContainerFormat::Ovf, ContainerFormat::Ova, ContainerFormat::Docker,
    ContainerFormat::Compressed};
constexpr std::array kAllMemberStatuses{MemberStatus::Pending, MemberStatus::Accepted,
                                        MemberStatus::Rejected};

void write_nullable(JsonWriter& w, std::string_view type) {
  w.key("type").open_list().value("null").value(type).close_list();
}

template <class Values>
void write_choices(JsonWriter& w, const Values& values, bool nullable) {
  if (nullable) write_nullable(w, "string");
  else w.member("type", "string");
  w.key("enum").open_list();
  if (nullable) w.null();
  for (const auto value : values) w.value(to_string(value));
  w.close_list();
}

void write_text_list(JsonWriter& w) {
  w.member("type", "array").key("items").open();
  w.member("type", "string").member("maxLength", limits::kNameChars).close();
}

void write_location_list(JsonWriter& w) {
  w.member("type", "array").key("items").open().member("type", "object");
  w.key("required").open_list().value("url").value("metadata").close_list();
  w.key("properties").open();
  w.key("url").open().member("type", "string").member("maxLength", limits::kUrlBytes).close();
  w.key("metadata").open().member("type", "object").close();
  w.key("validation_data").open().member("type", "object").close();
  w.close().close();
}

void write_shape(JsonWriter& w, ImageShape shape) {
  switch (shape) {
    case ImageShape::Uuid:
      w.member("type", "string").member("pattern", "^([0-9a-fA-F]){8}-([0-9a-fA-F]){4}-"
                                                   "([0-9a-fA-F]){4}-([0-9a-fA-F]){4}-"
                                                   "([0-9a-fA-F]){12}$");
      return;
    case ImageShape::NullableText:
      write_nullable(w, "string");
      w.member("maxLength", limits::kNameChars);
      return;
    case ImageShape::Hash:
      write_nullable(w, "string");
      w.member("maxLength", 128);
      return;
    case ImageShape::Integer: w.member("type", "integer").member("minimum", 0); return;
    case ImageShape::NullableInteger: write_nullable(w, "integer"); return;
    case ImageShape::Flag: w.member("type", "boolean"); return;
    case ImageShape::Time:
    case ImageShape::Link: w.member("type", "string"); return;
    case ImageShape::Tags: write_text_list(w); return;
    case ImageShape::Status: write_choices(w, kAllStatuses, false); return;
    case ImageShape::Locations: write_location_list(w); return;
    case ImageShape::Visibility: write_choices(w, kAllVisibilities, false); return;
    case ImageShape::DiskFormat: write_choices(w, kAllDiskFormats, true); return;
    case ImageShape::ContainerFormat: write_choices(w, kAllContainerFormats, true); return;
  }
}

void write_links(JsonWriter& w, std::initializer_list<std::array<std::string_view, 2>> links) {
  w.key("links").open_list();
  for (const auto& [rel, href] : links) w.open().member("rel", rel).member("href", href).close();
  w.close_list();
}

void write_image_schema(JsonWriter& w) {
  w.open().member("name", "image").key("properties").open();
  for (const ImageAttribute& row : image_attributes()) {
    w.key(row.name).open();
    write_shape(w, row.shape);
    w.member("description", row.description);
    const bool patched = row.shape == ImageShape::Locations;  // By operations of their own.
    if (row.create == nullptr && row.update == nullptr && !patched) w.member("readOnly", true);
    w.close();
  }
  w.close().key("additionalProperties").open().member("type", "string").close();
  write_links(w, {{"self", "{self}"}, {"enclosure", "{file}"}, {"describedby", "{schema}"}});
  w.close();
}

void write_member_schema(JsonWriter& w) {
  w.open().member("name", "member").key("properties").open();
  for (const char* name : {"image_id", "member_id", "created_at", "updated_at", "schema"}) {
    w.key(name).open().member("type", "string").close();
  }
  w.key("status").open();
  write_choices(w, kAllMemberStatuses, false);
  w.close().close().close();
}

/// A list of what `item` writes, under `name`.
void write_list_schema(JsonWriter& w, std::string_view name, bool paged,
                       void (*item)(JsonWriter&)) {
  w.open().member("name", name).key("properties").open();
  w.key(name).open().member("type", "array").key("items");
  item(w);
  w.close();
  if (paged) {
    w.key("first").open().member("type", "string").close();
    w.key("next").open().member("type", "string").close();
  }
  w.key("schema").open().member("type", "string").close().close();
  if (paged) {
    write_links(w, {{"first", "{first}"}, {"next", "{next}"}, {"describedby", "{schema}"}});
  } else {
    write_links(w, {{"describedby", "{schema}"}});
  }
  w.close();
}

}  // namespace

std::string image_schema() {
  JsonWriter w;
  write_image_schema(w);
  return std::move(w).take();
}
std::string images_schema() {
  JsonWriter w;
  write_list_schema(w, "images", true, write_image_schema);
  return std::move(w).take();
}
std::string member_schema() {
  JsonWriter w;
  write_member_schema(w);
  return std::move(w).take();
}
std::string members_schema() {
  JsonWriter w;
  write_list_schema(w, "members", false, write_member_schema);
  return std::move(w).take();
}

}  // namespace cloudos::rest
