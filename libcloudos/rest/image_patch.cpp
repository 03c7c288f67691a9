#include <algorithm>
#include <array>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "base/text.hpp"
#include "rest/image_codec.hpp"
#include "rest/image_stores.hpp"

// JSON patches of images. Source: Image API v2 reference, HTTP patch media types.
namespace cloudos::rest {
namespace {

using PatchPath = std::vector<std::string>;

struct PatchOperation {
  std::string op;
  PatchPath path;
  const nlohmann::json* value = nullptr;
};

Failure bad_pointer(std::string_view pointer) {
  return fail(ErrorCode::InvalidArgument,
              fmt::format("Invalid JSON pointer for an image: '{}'.", pointer.substr(0, 128)));
}

/// A JSON pointer (RFC 6901) whose parts are not empty.
Result<PatchPath> decode_pointer(std::string_view pointer) {
  if (pointer.size() < 2 || pointer.front() != '/') return bad_pointer(pointer);
  PatchPath path(1);
  for (std::size_t i = 1; i < pointer.size(); ++i) {
    if (pointer[i] == '/') {
      if (path.back().empty()) return bad_pointer(pointer);
      path.emplace_back();
    } else if (pointer[i] == '~') {
      const char next = i + 1 < pointer.size() ? pointer[++i] : '\0';
      if (next != '0' && next != '1') return bad_pointer(pointer);
      path.back() += next == '1' ? '/' : '~';
    } else {
      path.back() += pointer[i];
    }
  }
  if (path.back().empty()) return bad_pointer(pointer);
  const std::size_t wanted = path.front() == "locations" ? 2 : 1;
  if (path.size() > wanted) return bad_pointer(pointer);
  return path;
}

Result<PatchOperation> decode_operation(const nlohmann::json& change, PatchDialect dialect) {
  constexpr std::array<std::string_view, 3> kVerbs{"add", "replace", "remove"};
  if (!change.is_object())
    return fail(ErrorCode::InvalidArgument, "Operations must be JSON objects.");
  const Members in(change, "operation");
  PatchOperation operation;
  std::string pointer;
  if (dialect == PatchDialect::V21) {
    CLOUDOS_TRY(operation.op, in.text("op"));
    CLOUDOS_TRY(pointer, in.text("path"));
  } else {
    for (const std::string_view verb : kVerbs) {
      if (!in.has(verb)) continue;
      if (!operation.op.empty()) {
        return fail(ErrorCode::InvalidArgument,
                    "An operation has one member of add, replace, remove.");
      }
      operation.op = verb;
      CLOUDOS_TRY(pointer, in.text(verb));
    }
  }
  if (std::find(kVerbs.begin(), kVerbs.end(), operation.op) == kVerbs.end())
    return fail(ErrorCode::InvalidArgument, "An operation is one of add, replace, remove.");
  CLOUDOS_TRY(operation.path, decode_pointer(pointer));
  operation.value = in.raw("value");
  if (operation.op != "remove" && operation.value == nullptr) {
    return fail(ErrorCode::InvalidArgument,
                fmt::format("Operation '{}' needs a value.", operation.op));
  }
  return operation;
}

Result<void> patch_attribute(const PatchOperation& operation, const ImageAttribute& attribute,
                             PatchDialect dialect, ImagePatch& patch) {
  if (attribute.update == nullptr) return read_only_attribute(attribute.name);
  if (operation.op == "remove") {
    return fail(ErrorCode::Forbidden,
                fmt::format("Attribute '{}' may not be removed.", attribute.name));
  }
  if (operation.op == "add" && dialect == PatchDialect::V20) {
    return fail(ErrorCode::Conflict,
                fmt::format("Attribute '{}' is already present.", attribute.name));
  }
  return attribute.update(*operation.value, patch.changes);
}

Result<void> patch_property(const PatchOperation& operation, PatchDialect dialect,
                            ImagePatch& patch) {
  using Kind = ImagePropertyChange::Kind;
  ImagePropertyChange change;
  change.name = operation.path.front();
  if (operation.op == "replace") change.kind = Kind::Replace;
  else if (operation.op == "remove") change.kind = Kind::Remove;
  else change.kind = dialect == PatchDialect::V20 ? Kind::Create : Kind::Add;
  if (change.kind != Kind::Remove) {
    if (!operation.value->is_string()) return wrong_attribute(change.name, "text");
    change.value = operation.value->get<std::string>();
  }
  patch.changes.properties.push_back(std::move(change));
  return Result<void>();
}

/// "/locations/-" or "/locations/2"; a replacement has them all.
Result<void> patch_locations(const PatchOperation& operation, ImagePatch& patch) {
  using Kind = ImageLocationChange::Kind;
  ImageLocationChange change;
  const bool one = operation.op != "replace";
  if (operation.path.size() != (one ? 2 : 1)) return bad_pointer("/locations");
  if (one && operation.path.back() != "-") {
    change.at = parse_unsigned(operation.path.back());
    if (!change.at)
      return fail(ErrorCode::InvalidArgument, "The position of a location is a number or '-'.");
  }
  if (operation.op == "remove") {
    change.kind = Kind::Remove;
  } else if (operation.op == "add") {
    CLOUDOS_TRY(ImageLocationAdd location, decode_location(*operation.value));
    change.wanted.push_back(std::move(location));
  } else {
    change.kind = Kind::ReplaceAll;
    if (!operation.value->is_array()) return wrong_attribute("locations", "a list");
    for (const nlohmann::json& each : *operation.value) {
      CLOUDOS_TRY(ImageLocationAdd location, decode_location(each));
      change.wanted.push_back(std::move(location));
    }
  }
  patch.locations.push_back(std::move(change));
  return Result<void>();
}

}  // namespace

Result<ImagePatch> decode_image_patch(const nlohmann::json& body, PatchDialect dialect) {
  if (!body.is_array())
    return fail(ErrorCode::InvalidArgument, "The body must be a JSON array of operations.");
  ImagePatch patch;
  for (const nlohmann::json& change : body) {
    CLOUDOS_TRY(const PatchOperation operation, decode_operation(change, dialect));
    if (operation.path.front() == "locations") {
      CLOUDOS_CHECK(patch_locations(operation, patch));
    } else if (const auto* attribute = find_image_attribute(operation.path.front())) {
      CLOUDOS_CHECK(patch_attribute(operation, *attribute, dialect, patch));
    } else {
      CLOUDOS_CHECK(patch_property(operation, dialect, patch));
    }
  }
  return patch;
}

}  // namespace cloudos::rest
