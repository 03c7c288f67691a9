#include <fmt/format.h>

#include "rest/metadef_codec.hpp"

// The JSON schemas of metadata definitions: what decode_metadef_* accept, for clients that check.
namespace cloudos::rest {
namespace {

constexpr std::string_view kTypeNames =
    R"({"type":"string","enum":["array","boolean","integer","number","object","string"]})";

constexpr std::string_view kMetadefDefinitions = R"({
"positiveInteger":{"type":"integer","minimum":0},
"positiveIntegerDefault0":{"allOf":[{"$ref":"#/definitions/positiveInteger"},{"default":0}]},
"stringArray":{"type":"array","items":{"type":"string"},"uniqueItems":true},
"property":{"type":"object","additionalProperties":{"type":"object","required":["title","type"],
"properties":)";

/// Behind "name"; what kMetadefMembers in the decoder lists.
constexpr std::string_view kPropertyMembers = R"(
"title":{"type":"string"},
"description":{"type":"string"},
"operators":{"type":"array","items":{"type":"string"}},
"required":{"$ref":"#/definitions/stringArray"},
"minimum":{"type":"number"},
"maximum":{"type":"number"},
"maxLength":{"$ref":"#/definitions/positiveInteger"},
"minLength":{"$ref":"#/definitions/positiveIntegerDefault0"},
"pattern":{"type":"string","format":"regex"},
"enum":{"type":"array"},
"readonly":{"type":"boolean"},
"default":{},
"maxItems":{"$ref":"#/definitions/positiveInteger"},
"minItems":{"$ref":"#/definitions/positiveIntegerDefault0"},
"uniqueItems":{"type":"boolean","default":false},
"additionalItems":{"type":"boolean"},)";

std::string property_members() {
  return fmt::format(
      R"({{"name":{{"type":"string","maxLength":80}},{}"type":{},)"
      R"("items":{{"type":"object","properties":{{"type":{},"enum":{{"type":"array"}}}}}}}})",
      kPropertyMembers, kTypeNames, kTypeNames);
}

std::string definitions() {
  return fmt::format("{}{}}}}}}}", kMetadefDefinitions, property_members());
}

constexpr std::string_view kTimeMembers = R"(
"created_at":{"type":"string","readOnly":true,"format":"date-time",
"description":"When it was made"},
"updated_at":{"type":"string","readOnly":true,"format":"date-time",
"description":"When it last changed"})";
constexpr std::string_view kLinkMembers = R"(
"schema":{"type":"string","readOnly":true},
"self":{"type":"string","readOnly":true},)";

constexpr std::string_view kNamespaceMembers = R"(
"namespace":{"type":"string","maxLength":80,"description":"Name that nobody else has"},
"display_name":{"type":"string","maxLength":80,"description":"Name for people"},
"description":{"type":"string","maxLength":500,"description":"What the definitions are for"},
"visibility":{"type":"string","enum":["public","private"],"description":"Who may see it"},
"protected":{"type":"boolean","description":"Whether it is safe from deletion"},
"owner":{"type":"string","maxLength":255,"description":"The project that it belongs to"},
"resource_type_associations":{"type":"array","items":{"type":"object","properties":{
"name":{"type":"string"},"prefix":{"type":"string"},"properties_target":{"type":"string"}}}},
"properties":{"$ref":"#/definitions/property"},
"objects":{"type":"array","items":{"type":"object","properties":{
"name":{"type":"string"},"description":{"type":"string"},
"required":{"$ref":"#/definitions/stringArray"},
"properties":{"$ref":"#/definitions/property"}}}},
"tags":{"type":"array","items":{"type":"object","properties":{"name":{"type":"string"}}}},)";

constexpr std::string_view kObjectMembers = R"(
"name":{"type":"string","maxLength":80},
"description":{"type":"string"},
"required":{"$ref":"#/definitions/stringArray"},
"properties":{"$ref":"#/definitions/property"},)";

constexpr std::string_view kTagMembers = R"("name":{"type":"string","maxLength":80},)";

constexpr std::string_view kAssociationMembers = R"(
"name":{"type":"string","maxLength":80,"description":"Type of thing, as orchestration names it"},
"prefix":{"type":"string","maxLength":80,
"description":"In front of the properties' names on things of this type, its separator included"},
"properties_target":{"type":"string","maxLength":80,
"description":"Which set of properties, where things of this type have several"},)";

struct MetadefSchema {
  std::string_view one, many;       ///< Last parts of their paths.
  std::string_view name, list;      ///< What they are called.
  std::string_view members;
  bool links;                       ///< Has self and schema.
  bool defined;                     ///< Refers to definitions.
  std::string_view required;
};
constexpr MetadefSchema kMetadefSchemas[] = {
    {"namespace", "namespaces", "namespace", "namespaces", kNamespaceMembers, true, true,
     R"(["namespace"])"},
    {"object", "objects", "object", "objects", kObjectMembers, true, true, R"(["name"])"},
    {"tag", "tags", "tag", "tags", kTagMembers, false, false, R"(["name"])"},
    {"resource_type", "resource_types", "resource_type_association", "resource_type_associations",
     kAssociationMembers, false, false, R"(["name"])"},
};

std::string item_schema(const MetadefSchema& row, bool with_definitions) {
  std::string text = fmt::format(R"({{"name":"{}","required":{},"properties":{{{}{}{}}})", row.name,
                                 row.required, row.members, row.links ? kLinkMembers : "",
                                 kTimeMembers);
  if (row.defined && with_definitions) text += R"(,"definitions":)" + definitions();
  return text + "}";
}

/// `shape` is how the list holds them: items of an array, or additionalProperties of an object.
std::string list_schema(std::string_view list, std::string_view shape, const std::string& item,
                        bool defined) {
  std::string text = fmt::format(
      R"({{"name":"{0}","properties":{{"{0}":{{{1}{2}}},"first":{{"type":"string"}},)"
      R"("next":{{"type":"string"}},"schema":{{"type":"string"}}}},"links":[)"
      R"({{"rel":"first","href":"{{first}}"}},{{"rel":"next","href":"{{next}}"}},)"
      R"({{"rel":"describedby","href":"{{schema}}"}}])",
      list, shape, item);
  if (defined) text += R"(,"definitions":)" + definitions();
  return text + "}";
}

std::string property_schema(bool with_definitions) {
  std::string text = fmt::format(R"({{"name":"property","required":["name","title","type"],)"
                                 R"("properties":{})", property_members());
  if (with_definitions) text += R"(,"definitions":)" + definitions();
  return text + "}";
}

}  // namespace

std::string metadef_schema(std::string_view name) {
  if (name == "property") return property_schema(true);
  if (name == "properties") {
    return list_schema("properties", R"("type":"object","additionalProperties":)",
                       property_schema(false), true);
  }
  for (const MetadefSchema& row : kMetadefSchemas) {
    if (name == row.one) return item_schema(row, true);
    if (name == row.many) {
      return list_schema(row.list, R"("type":"array","items":)", item_schema(row, false),
                         row.defined);
    }
  }
  return {};
}

}  // namespace cloudos::rest
