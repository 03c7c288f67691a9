#pragma once
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "cloudos/clock.hpp"
#include "cloudos/context.hpp"
#include "cloudos/export.hpp"
#include "cloudos/ids.hpp"
#include "cloudos/result.hpp"

namespace cloudos {

using MetadefNamespaceId = Id<struct MetadefNamespaceTag>;

enum class MetadefVisibility : std::uint8_t {
  Private,  ///< Its project.
  Public,   ///< Everyone.
};
/// "private", "public".
CLOUDOS_EXPORT std::string_view to_string(MetadefVisibility visibility);
CLOUDOS_EXPORT std::optional<MetadefVisibility> metadef_visibility_from(std::string_view text);

/// What one property means and which values it has.
struct MetadefProperty {
  std::string name;    ///< 1..80 characters.
  std::string title;   ///< For people.
  std::string type;    ///< "array", "boolean", "integer", "number", "object" or "string".
  /// The other members of the JSON schema of its values, as the text of an object:
  /// {"description": "…", "enum": ["virtio", "scsi"], "operators": ["<or>"]}.
  std::string schema = "{}";
};

/// Properties that belong together, some of which must be set with the others.
struct MetadefObject {
  std::string name;    ///< 1..80 characters.
  std::string description;
  std::vector<std::string> required;  ///< Names of its properties.
  std::map<std::string, MetadefProperty> properties;
  WallTime created_at, updated_at;
};

struct MetadefTag {
  std::string name;    ///< 1..80 characters.
  WallTime created_at, updated_at;
};

/// The namespace's properties may be set on things of this type.
struct MetadefAssociation {
  std::string resource_type;      ///< "OS::Glance::Image", 1..80 characters.
  std::string prefix;             ///< In front of each property's name there: "hw_".
  std::string properties_target;  ///< Which of several sets of properties: "image"; mostly empty.
  WallTime created_at, updated_at;
};

/// What sorts of things there are; comes with the first association and stays.
struct MetadefResourceType {
  static constexpr std::string_view kKind = "metadef-resource-type";
  static constexpr std::uint32_t kSchema = 1;
  std::string id;                 ///< Its name.
  std::uint64_t generation = 0;
  WallTime created_at, updated_at;
  std::string unknown;
};

/// A set of definitions under one name: "OS::Compute::VirtCPUTopology".
struct MetadefNamespace {
  static constexpr std::string_view kKind = "metadef-namespace";
  static constexpr std::uint32_t kSchema = 1;

  MetadefNamespaceId id;
  std::uint64_t generation = 0;
  std::string name;          ///< 1..80 characters; unique.
  std::string display_name;  ///< At most 80 characters.
  std::string description;   ///< At most 500.
  MetadefVisibility visibility = MetadefVisibility::Private;
  bool is_protected = false; ///< Neither it nor all of its properties, objects or tags can go.
  ProjectId owner;           ///< Create: empty is the caller's project.
  std::map<std::string, MetadefProperty> properties;
  std::map<std::string, MetadefObject> objects;
  std::map<std::string, MetadefTag> tags;
  std::map<std::string, MetadefAssociation> associations;  ///< By resource type.
  WallTime created_at, updated_at;
  std::string unknown;
};

/// What changes of a namespace itself; absent members stay as they are.
struct MetadefNamespaceUpdate {
  std::optional<std::string> name, display_name, description;
  std::optional<MetadefVisibility> visibility;
  std::optional<bool> is_protected;
  std::optional<ProjectId> owner;  ///< Another's: admins only.
};

enum class MetadefSortKey : std::uint8_t { CreatedAt, UpdatedAt, Name };

struct MetadefQuery {
  std::optional<MetadefVisibility> visibility;
  std::vector<std::string> resource_types;  ///< Associated with one of them; empty: any.
  MetadefSortKey sort = MetadefSortKey::CreatedAt;
  bool descending = true;
  std::string marker;                       ///< Name of the last namespace of the page before.
  std::size_t limit = SIZE_MAX;
};

/// Metadata definitions: what the properties of images, flavors and other things mean, for people
/// and programs that offer them for choice. Nothing is checked against them.
///
/// Thread-safe. Calls block for at most one commit. A catalogue of usual namespaces is loaded when
/// the first call finds that it never was; what admins change or remove of it stays so. Namespaces
/// of other projects that are not public are NotFound; those that one may only see are Forbidden to
/// change. Source: Image API v2, metadata definitions.
class CLOUDOS_EXPORT Metadefs final {
 public:
  /// With everything that `wish` holds: one commit. Its id, generation and times are not read.
  /// Errors: InvalidArgument, AlreadyExists, Forbidden (another's owner), TooLarge.
  Result<MetadefNamespace> create(const Context& ctx, const MetadefNamespace& wish);
  /// Errors: NotFound.
  Result<MetadefNamespace> get(const Context& ctx, std::string_view name) const;
  /// Errors: NotFound (marker).
  Result<std::vector<MetadefNamespace>> list(const Context& ctx, const MetadefQuery& query) const;
  /// Errors: NotFound, Forbidden, InvalidArgument, AlreadyExists (the new name).
  Result<MetadefNamespace> update(const Context& ctx, std::string_view name,
                                  const MetadefNamespaceUpdate& changes);
  /// Errors: NotFound, Forbidden (also: protected).
  Result<void> remove(const Context& ctx, std::string_view name);

  /// The parts of a namespace. `set_` replaces the one of that name, which may be another then.
  /// Errors: NotFound (namespace or part), Forbidden, InvalidArgument, AlreadyExists, TooLarge.
  Result<MetadefProperty> add_property(const Context& ctx, std::string_view space,
                                       const MetadefProperty& property);
  Result<MetadefProperty> set_property(const Context& ctx, std::string_view space,
                                       std::string_view name, const MetadefProperty& property);
  Result<void> remove_property(const Context& ctx, std::string_view space, std::string_view name);
  Result<void> clear_properties(const Context& ctx, std::string_view space);

  Result<MetadefObject> add_object(const Context& ctx, std::string_view space,
                                   const MetadefObject& object);
  Result<MetadefObject> set_object(const Context& ctx, std::string_view space,
                                   std::string_view name, const MetadefObject& object);
  Result<void> remove_object(const Context& ctx, std::string_view space, std::string_view name);
  Result<void> clear_objects(const Context& ctx, std::string_view space);

  Result<MetadefTag> add_tag(const Context& ctx, std::string_view space, std::string_view name);
  Result<MetadefTag> set_tag(const Context& ctx, std::string_view space, std::string_view name,
                             std::string_view new_name);
  /// All at once, in place of those there are or behind them. AlreadyExists: named twice.
  Result<std::vector<MetadefTag>> set_tags(const Context& ctx, std::string_view space,
                                           const std::vector<std::string>& names, bool append);
  Result<void> remove_tag(const Context& ctx, std::string_view space, std::string_view name);
  Result<void> clear_tags(const Context& ctx, std::string_view space);

  Result<MetadefAssociation> associate(const Context& ctx, std::string_view space,
                                       const MetadefAssociation& association);
  Result<void> dissociate(const Context& ctx, std::string_view space,
                          std::string_view resource_type);
  /// By name.
  Result<std::vector<MetadefResourceType>> resource_types(const Context& ctx) const;

  struct CLOUDOS_LOCAL Impl;
  explicit Metadefs(std::unique_ptr<Impl> impl);
  ~Metadefs();
  Metadefs(const Metadefs&) = delete;
  Metadefs& operator=(const Metadefs&) = delete;

 private:
  std::unique_ptr<Impl> impl_;
};

}  // namespace cloudos
