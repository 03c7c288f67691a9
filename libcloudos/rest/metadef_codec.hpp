#pragma once
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>

#include "cloudos/metadefs.hpp"
#include "rest/json.hpp"

/// How the Image API v2 spells metadata definitions.
namespace cloudos::rest {

/// The link of a namespace, or of one of its parts: "/v2/metadefs/namespaces/a/tags/b".
std::string metadef_link(std::string_view space, std::string_view sort = {},
                         std::string_view name = {});

/// The members of a property's schema beside its name.
void write_metadef_property(JsonWriter& w, const MetadefProperty& property, bool with_name);
void write_metadef_object(JsonWriter& w, const std::string& space, const MetadefObject& object);
void write_metadef_tag(JsonWriter& w, const MetadefTag& tag);
void write_metadef_association(JsonWriter& w, const MetadefAssociation& association);
/// How much of a namespace is written.
enum class MetadefParts : std::uint8_t {
  None,          ///< The namespace itself.
  Associations,  ///< As lists have it.
  All,
};
void write_metadef_namespace(JsonWriter& w, const MetadefNamespace& space, MetadefParts parts);
/// Properties by the names that they have on things of this type.
void prefix_properties(MetadefNamespace& space, const std::string& resource_type);

/// Errors: InvalidArgument, Forbidden (read-only members).
Result<MetadefProperty> decode_metadef_property(const nlohmann::json& body);
Result<MetadefObject> decode_metadef_object(const nlohmann::json& body);
Result<MetadefAssociation> decode_metadef_association(const nlohmann::json& body);
Result<MetadefNamespace> decode_metadef_namespace(const nlohmann::json& body);
/// A body of PUT: what it does not say stays as it is, though clients are to send all. Its parts
/// have requests of their own and are passed over.
Result<MetadefNamespaceUpdate> decode_metadef_update(const nlohmann::json& body);
/// The same for parts, over what they are now.
Result<MetadefObject> decode_metadef_update(const nlohmann::json& body,
                                            const MetadefObject& before);
Result<MetadefProperty> decode_metadef_update(const nlohmann::json& body,
                                              const MetadefProperty& before);
/// {"name": "x"}, and {"tags": [{"name": "x"}]}.
Result<std::string> decode_metadef_tag(const nlohmann::json& body);
Result<std::vector<std::string>> decode_metadef_tags(const nlohmann::json& body);

/// JSON schemas by the last part of their path: "namespace", "namespaces", "resource_type"; empty:
/// there is none.
std::string metadef_schema(std::string_view name);

}  // namespace cloudos::rest
